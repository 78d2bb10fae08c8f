/** The port `Archive` over DICOMweb: STOW-RS, confirmed by QIDO-RS. dcm4chee-arc-light first; any DICOMweb archive. */
import type { ArchiveConfig } from '../config/schema.ts';
import { asStorestowError, StorestowError } from '../errors.ts';
import type { Log } from '../logging.ts';
import type { UrlSource } from './archive-url.ts';
import { createDcm4cheeDigest } from './dcm4chee-digest.ts';
import { createDicomWeb, openConnection, type Connection } from './dicomweb.ts';
import { createInFlight } from './in-flight.ts';
import { createLearnedSize } from './learned-size.ts';
import { isStored, type Archive, type OutgoingInstance, type Outcome } from './outcome.ts';
import { createOrthancDigest } from './orthanc-rest.ts';
import { proveStored, type ProofPorts } from './prove-stored.ts';
import { createQido } from './qido.ts';
import { rememberListed, type RememberingQido } from './remember-listed.ts';
import { PATIENCE, type Patience } from './send-request.ts';
import { MAX_IN_A_ROW, storeStudy, THERE } from './store-study.ts';
import { studyInstitutions } from './study-institutions.ts';
import { createSuspicion } from './suspicion.ts';
import { createUnanswered } from './unanswered.ts';

/** Studies remembered as opened; the archive is asked again about those that were forgotten. */
const MAX_OPENED = 10_000;

/** Milliseconds: shorter than most delays of the queue, so that its next try divides again. */
const SUSPICION_MEMORY = 10_000;

export interface ArchiveOptions {
  readonly config: ArchiveConfig;
  readonly source: UrlSource;
  readonly log?: Log;
  /** Shared by the archives of several sources (`openConnection`), and closed by whoever opened it. Default: its own. */
  readonly connection?: Connection;
  /** Of each request; what is not given is as `PATIENCE` has it. */
  readonly patience?: Partial<Patience>;
}

/**
 * `store` sends what the archive does not list yet under the study: a new study's first instance alone, then requests of bounded size
 * in parallel, each one confirmed by one question; then it proves that the archive holds what was sent, as far as `archive.proof` says.
 * Throws `CONFIG_INVALID` and `UNKNOWN_SOURCE` for the address.
 */
export function createArchive({ config, source, log, connection, patience }: ArchiveOptions): Archive {
  const shared = connection ?? openConnection(config);
  const web = createDicomWeb(config, source, shared);
  const qido = createQido(web);
  const digest = qido.tellsDigests ? createDcm4cheeDigest(config.implementationVersionName) : createOrthancDigest(web);
  const learnedSize = createLearnedSize();
  const unanswered = createUnanswered();
  const suspicion = createSuspicion({ limit: MAX_IN_A_ROW, memory: SUSPICION_MEMORY, now: Date.now });
  const opening = createInFlight();
  const opened = new Set<string>();
  const sending = createInFlight();
  const proofPorts = (asked: RememberingQido | undefined, signal: AbortSignal | undefined): ProofPorts => ({
    level: config.proof,
    web,
    qido: asked,
    listed: asked?.listed ?? new Map<string, never>(),
    digest,
    log,
    signal,
  });
  return {
    description: web.url,
    async store(instances, { signal } = {}) {
      const study = studyOf(instances);
      if (study === undefined) return [];
      if (opened.size >= MAX_OPENED) opened.clear();
      const asked = config.confirm ? rememberListed(qido, config.proof !== 'listed') : undefined;
      const sent = await sending.hold(
        instances.map(({ sopInstanceUID }) => sopInstanceUID),
        () =>
          storeStudy(instances, {
            web,
            qido: asked,
            patience: { ...PATIENCE, ...patience },
            signal,
            limits: config,
            learnedSize,
            suspicion,
            unanswered,
            limit: shared.limit,
            opening,
            opened,
          }),
      );
      log?.debug({ study, archive: web.url, outcomes: countByKind(sent) }, 'sent to the archive');
      // The instances are no longer held: who has them waited for asks, and finds them listed.
      const proved = await proveStored(instances, sent, proofPorts(asked, signal));
      log?.debug({ study, archive: web.url, proofs: countByProof(proved) }, 'proved in the archive');
      return proved;
    },
    async compare(instance, { signal } = {}) {
      const asked = config.confirm ? rememberListed(qido, true) : undefined;
      try {
        const listed = await asked?.find(instance.studyInstanceUID, [instance.sopInstanceUID], { signal });
        if (listed?.has(instance.sopInstanceUID) === false) return NOT_THERE;
      } catch (thrown) {
        const { code, message } = asStorestowError(thrown);
        return { kind: 'retryable', code, message };
      }
      const [compared = NOT_THERE] = await proveStored([instance], [THERE], proofPorts(asked, signal));
      return compared;
    },
    find: async (studyInstanceUID, sopInstanceUIDs) => qido.find(studyInstanceUID, sopInstanceUIDs, { digests: true }),
    institutions: async (studyInstanceUID, { signal } = {}) => studyInstitutions(web, studyInstanceUID, signal),
    close: async () => (connection === undefined ? shared.close() : undefined),
  };
}

const NOT_THERE: Outcome = { kind: 'permanent', code: 'NOT_IN_ARCHIVE', message: 'the archive does not list it under its study' };

/** Throws `INTERNAL` where a caller mixes studies or gives one SOP Instance UID twice. */
function studyOf(instances: readonly OutgoingInstance[]): string | undefined {
  const studies = new Set(instances.map(({ studyInstanceUID }) => studyInstanceUID));
  const uids = new Set(instances.map(({ sopInstanceUID }) => sopInstanceUID));
  if (studies.size > 1 || uids.size < instances.length) {
    throw new StorestowError(
      'INTERNAL',
      'instances of several studies, or one twice, in one call of store; this is a defect, report it',
    );
  }
  return instances[0]?.studyInstanceUID;
}

function countByProof(outcomes: readonly Outcome[]): Record<string, number> {
  const proofs = Map.groupBy(outcomes, (outcome) => (isStored(outcome) ? outcome.proof : outcome.code));
  return Object.fromEntries([...proofs].map(([proof, list]) => [proof, list.length]));
}

function countByKind(outcomes: readonly Outcome[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(outcomes, ({ kind }) => kind)].map(([kind, list]) => [kind, list.length]));
}
