/**
 * After the store: is what was sent in the archive, and nothing else in its place? By the archive's digest where it tells one, else by
 * fetching it back, as far as `archive.proof` asks for (decide-proof.ts).
 */
import { mapConcurrently } from '../concurrency.ts';
import type { ProofLevel } from '../config/schema.ts';
import type { ByteSource } from '../dicom/byte-source.ts';
import type { Part10, Tag } from '../dicom/data-set.ts';
import { readLargePart10 } from '../dicom/read-large.ts';
import { sameGap } from '../dicom/same-gap.ts';
import { SegmentsSource } from '../dicom/segments-source.ts';
import { formatTag } from '../dicom/tag-text.ts';
import { asStorestowError, StorestowError, type ErrorCode } from '../errors.ts';
import type { Log } from '../logging.ts';
import type { ArchiveDigest, DigestComparison } from './archive-digest.ts';
import { compareRetrieved, type Comparison } from './compare-retrieved.ts';
import { decideAbsent, decideProof, decideRetrieved, needsDigest, type Whereabouts } from './decide-proof.ts';
import type { DicomWeb } from './dicomweb.ts';
import { isStored, type ArchivedInstance, type OutgoingInstance, type Outcome, type Stored } from './outcome.ts';
import type { Qido } from './qido.ts';
import { retrieveToFile } from './wado.ts';

export interface ProofPorts {
  readonly level: ProofLevel;
  readonly web: DicomWeb;
  /** Absent where `archive.confirm` is off. */
  readonly qido: Qido | undefined;
  /** What QIDO-RS told last of each, by SOP Instance UID. */
  readonly listed: ReadonlyMap<string, ArchivedInstance>;
  readonly digest: ArchiveDigest;
  readonly log: Log | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Digests compared at once. */
const CONCURRENCY = 4;

/** An instance that counts as stored until it is shown to be other. */
interface Claim {
  readonly index: number;
  readonly instance: OutgoingInstance;
  readonly outcome: Stored;
}

interface ComparedClaim extends Claim {
  readonly digest: DigestComparison;
}

/** One outcome for each instance, in order: `outcomes` with what was found. All are of one study. Never rejects for what the archive does. */
export async function proveStored(
  instances: readonly OutgoingInstance[],
  outcomes: readonly Outcome[],
  ports: ProofPorts,
): Promise<readonly Outcome[]> {
  const proved = await mapConcurrently(outcomes, CONCURRENCY, async (outcome, index) => {
    const instance = instances[index];
    return instance === undefined ? outcome : settleAbsent(instance, outcome, ports);
  });
  const claims = proved.flatMap((outcome, index): Claim[] => {
    const instance = instances[index];
    return instance !== undefined && isStored(outcome) ? [{ index, instance, outcome }] : [];
  });
  const [elsewhere, here] = partition(claims, (claim) => otherSeries(claim, ports) !== undefined);
  for (const claim of elsewhere)
    proved[claim.index] = conflict(claim, `it lies there in the series ${otherSeries(claim, ports) ?? ''}`);
  const toProve = here.filter(({ outcome }) => needsDigest(ports.level, outcome.alreadyThere));
  for (const { index, outcome } of await proveContent(toProve, ports)) proved[index] = outcome;
  return proved;
}

function partition<T>(list: readonly T[], test: (item: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [list.filter(test), list.filter((item) => !test(item))];
}

async function settleAbsent(instance: OutgoingInstance, outcome: Outcome, ports: ProofPorts): Promise<Outcome> {
  if (isStored(outcome) || outcome.code !== 'NOT_IN_ARCHIVE') return outcome;
  const whereabouts = await whereaboutsOf(instance, ports);
  switch (decideAbsent(whereabouts)) {
    case 'found':
      return { kind: 'stored', proof: 'listed', alreadyThere: false };
    case 'lost': {
      const study = whereabouts.kind === 'other-study' ? whereabouts.studyInstanceUID : '';
      const message = `the archive answered that it stored it and dropped it: it has this SOP Instance UID in the study ${study}; correct the sender, which must not use a UID twice`;
      return { kind: 'permanent', code: 'NOT_IN_ARCHIVE', message };
    }
    case 'later': {
      const message =
        'the archive answered that it stored it, and lists it nowhere: it lost it, or is slow to list; the next run asks first, then sends it again';
      return { kind: 'retryable', code: 'NOT_IN_ARCHIVE', message };
    }
    case 'as-decided':
      return outcome;
  }
}

async function whereaboutsOf({ studyInstanceUID, sopInstanceUID }: OutgoingInstance, ports: ProofPorts): Promise<Whereabouts> {
  if (ports.qido === undefined) return { kind: 'unknown' };
  try {
    const studies = await ports.qido.studiesOf(sopInstanceUID, { signal: ports.signal });
    if (studies.includes(studyInstanceUID)) {
      // Tells its series too, which is compared with that of what was sent.
      const found = await ports.qido.find(studyInstanceUID, [sopInstanceUID], { signal: ports.signal });
      return { kind: found.has(sopInstanceUID) ? 'this-study' : 'unknown' };
    }
    const [other] = studies;
    return other === undefined ? { kind: 'nowhere' } : { kind: 'other-study', studyInstanceUID: other };
  } catch (thrown) {
    ports.log?.debug({ sop: sopInstanceUID, err: asStorestowError(thrown) }, 'the archive cannot be asked where else it has it');
    return { kind: 'unknown' };
  }
}

/** The archive has one object of a SOP Instance UID: in another series, it is not the one that was sent. */
function otherSeries({ instance }: Claim, { listed }: ProofPorts): string | undefined {
  const series = listed.get(instance.sopInstanceUID)?.seriesInstanceUID;
  return series === undefined || series === instance.seriesInstanceUID ? undefined : series;
}

interface Proved {
  readonly index: number;
  readonly outcome: Outcome;
}

async function proveContent(claims: readonly Claim[], ports: ProofPorts): Promise<readonly Proved[]> {
  const listed = await listedWithDigests(claims, ports);
  const compare = async (claim: Claim): Promise<ComparedClaim> => ({
    ...claim,
    digest: await compareDigest(claim, listed.get(claim.instance.sopInstanceUID), ports),
  });
  const proved: Proved[] = [];
  let waiting = await mapConcurrently(claims, CONCURRENCY, compare);
  for (;;) {
    const toRetrieve: ComparedClaim[] = [];
    for (const claim of waiting) {
      const step = decideProof(ports.level, claim.outcome.alreadyThere, claim.digest.verdict);
      if (step === 'proved') proved.push({ index: claim.index, outcome: asProved(claim, 'digest') });
      if (step === 'retrieve') toRetrieve.push(claim);
    }
    // The smallest first: it may teach how the digests of the others are predicted.
    const [next, ...others] = toRetrieve.toSorted((a, b) => a.instance.length - b.instance.length);
    if (next === undefined) return proved;
    const retrieval = await retrieve(next, ports);
    proved.push({ index: next.index, outcome: judge(next, retrieval, ports) });
    waiting = retrieval.learned ? await mapConcurrently(others, CONCURRENCY, compare) : others;
  }
}

function asProved({ outcome, instance, digest: { told } }: ComparedClaim, proof: 'digest' | 'retrieved'): Stored {
  return { ...outcome, proof, ...(told === undefined || told === instance.md5 ? {} : { archivedMd5: told }) };
}

/** What QIDO-RS told already, and one question for the rest. */
async function listedWithDigests(
  claims: readonly Claim[],
  { qido, listed, log, signal }: ProofPorts,
): Promise<ReadonlyMap<string, ArchivedInstance>> {
  const [first] = claims;
  const untold = claims
    .map(({ instance }) => instance.sopInstanceUID)
    .filter((uid) => listed.get(uid)?.storageDigest === undefined);
  if (first === undefined || qido?.tellsDigests !== true || untold.length === 0) return listed;
  const study = first.instance.studyInstanceUID;
  try {
    return new Map([...listed, ...(await qido.find(study, untold, { digests: true, signal }))]);
  } catch (thrown) {
    log?.warn({ study, err: asStorestowError(thrown) }, 'the archive does not tell its digests');
    return listed;
  }
}

async function compareDigest(
  { instance }: Claim,
  listed: ArchivedInstance | undefined,
  { digest, log, signal }: ProofPorts,
): Promise<DigestComparison> {
  try {
    return await digest.compare(instance, listed, signal);
  } catch (thrown) {
    log?.warn({ sop: instance.sopInstanceUID, err: asStorestowError(thrown) }, 'its digest could not be compared');
    return { verdict: 'untold' };
  }
}

interface Retrieval {
  readonly comparison: Comparison | { readonly kind: 'unreadable' | 'unretrieved'; readonly why: string };
  readonly learned: boolean;
}

/** Other content under the same UID may be larger than what was sent; nothing reasonable is larger than this. */
const TIMES_AS_LARGE = 8;
const AT_LEAST = 2 ** 30;

async function retrieve({ instance }: Claim, { web, digest, signal }: ProofPorts): Promise<Retrieval> {
  try {
    const file = await retrieveToFile(web, instance, { maxBytes: Math.max(AT_LEAST, TIMES_AS_LARGE * instance.length), signal });
    try {
      const held = await readHeld(file);
      if (held instanceof StorestowError) return { comparison: unreadable(held), learned: false };
      return { comparison: await compareWithSent(instance, held), learned: digest.learn(held) };
    } finally {
      await file.close();
    }
  } catch (thrown) {
    return { comparison: { kind: 'unretrieved', why: asStorestowError(thrown).message }, learned: false };
  }
}

/** What was sent could be read. */
const NO_FILE: ReadonlySet<ErrorCode> = new Set(['NOT_PART10', 'MALFORMED', 'TRUNCATED']);

async function readHeld(file: ByteSource): Promise<Part10 | StorestowError> {
  try {
    return await readLargePart10(file);
  } catch (thrown) {
    const error = asStorestowError(thrown);
    if (NO_FILE.has(error.code)) return error;
    throw error;
  }
}

function unreadable({ code }: StorestowError): Retrieval['comparison'] {
  return { kind: 'unreadable', why: `what it gives back of it is no whole DICOM file (${code})` };
}

async function compareWithSent(instance: OutgoingInstance, held: Part10): Promise<Comparison> {
  const sent = await readLargePart10(new SegmentsSource(instance));
  return compareRetrieved(sent, held, await sameGap(sent, held));
}

function judge(claim: ComparedClaim, { comparison }: Retrieval, { level, log, signal }: ProofPorts): Outcome {
  const { outcome, digest, instance } = claim;
  const step = decideRetrieved(comparison.kind, { level, alreadyThere: outcome.alreadyThere, digest: digest.verdict });
  switch (step) {
    case 'proved':
      return asProved(claim, 'retrieved');
    case 'accept':
      log?.warn({ sop: instance.sopInstanceUID, why: found(comparison) }, 'stored, but its content could not be compared');
      return outcome;
    case 'conflict':
      return conflict(claim, found(comparison), digest);
    case 'later': {
      const code: ErrorCode = signal?.aborted === true ? 'INVOCATION_TIMEOUT' : 'ARCHIVE_AMBIGUOUS';
      const message = `the archive lists it, but whether with the content that was sent could not be compared: ${found(comparison)}`;
      return { kind: 'retryable', code, message };
    }
  }
}

const MAX_TAGS = 8;

function found(comparison: Retrieval['comparison']): string {
  switch (comparison.kind) {
    case 'same':
      return 'it is the same';
    case 'differs':
      return `it differs in ${tagList(comparison.tags)}`;
    case 'incomparable':
      return `its pixel data lies there in the transfer syntax ${comparison.transferSyntaxUID}, in which it was not sent`;
    case 'unreadable':
    case 'unretrieved':
      return comparison.why;
  }
}

function tagList(tags: readonly Tag[]): string {
  const more = tags.length > MAX_TAGS ? ` and ${String(tags.length - MAX_TAGS)} more` : '';
  return `${tags.slice(0, MAX_TAGS).map(formatTag).join(', ')}${more}`;
}

function conflict({ instance }: Claim, what: string, { told, expected }: Partial<DigestComparison> = {}): Outcome {
  const there = told === undefined ? '' : `the digest there is ${told}, `;
  const sent = expected === undefined ? `the MD5 of what was sent ${instance.md5}` : `of what was sent it would be ${expected}`;
  return {
    kind: 'permanent',
    code: 'CONFLICT',
    message: `the archive holds other content under this SOP Instance UID: ${what}; ${there}${sent}; compare the two and correct the sender`,
  };
}
