/**
 * The steps composed: an instance as received → what is sent and what is kept of it. A pure function of the file, where it
 * came from, the rule set (with what the bucket keeps of a worklist, where that set asks one) and the codec: a replay gives the
 * same bytes, so the archive's digest of an earlier try still matches, and an auditor can compute them again from the bucket alone.
 */
import { createHash, type Hash } from 'node:crypto';
import { coerce, type AppliedRule, type Coercion, type Source } from './coerce/coerce.ts';
import type { RuleSet } from './coerce/rule-set.ts';
import type { SetRule } from './coerce/rules.ts';
import { worklistQuery } from './coerce/worklist-rule.ts';
import { segmentBytes, type ByteSource, type Segment } from './dicom/byte-source.ts';
import type { Part10 } from './dicom/data-set.ts';
import { identify, type InstanceIdentity } from './dicom/identify.ts';
import { nameChange, type NamedChange } from './dicom/named-change.ts';
import { readLargePart10 } from './dicom/read-large.ts';
import { readPart10 } from './dicom/read-part10.ts';
import { splice } from './dicom/splice.ts';
import { TAG } from './dicom/tags.ts';
import { encodePixels, type Encoding } from './encode/encode-pixels.ts';
import type { FramePool } from './encode/frame-pool.ts';
import { StorestowError } from './errors.ts';
import type { WorklistMatcher } from './match-worklist.ts';
import type { OutgoingInstance } from './stow/outcome.ts';

export interface PreparedInstance extends OutgoingInstance {
  /** The name that was set, or the one received where no mapping is configured. */
  readonly institution?: string;
  /** Bytes of the original Pixel Data value, without trailing pad; absent without pixel data. */
  readonly pixelLength?: number;
  readonly pixelMd5?: string;
  /** Name and version: `openjpeg-1.3.6`. */
  readonly codec: string;
  readonly encoded: boolean;
  /** Why it was not encoded. */
  readonly reason?: string;
  readonly applied: readonly AppliedRule[];
  /** Every place that was changed, and why: what differs from the original elsewhere is an error of storestow. */
  readonly named: readonly NamedChange[];
  readonly syntaxReceived: string;
  readonly syntaxSent: string;
  /** Of a large file: to be called when the segments are no longer needed. */
  readonly release?: () => Promise<void>;
}

/** Bytes from which a file should be given as a `LargeFile`. */
export const LARGE_FILE: number = 64 * 1024 * 1024;

/** A file that is read where it lies instead of being in memory. */
export interface LargeFile extends ByteSource {
  /** 64 hex digits: what all of its bytes must have, where that is known. */
  readonly sha256?: string;
}

export interface PrepareOptions {
  /** False: every instance goes as it was received, coerced only. */
  readonly encode?: boolean;
  /** Where encoded frames of a large file wait; the system's folder for temporary files where it is not given. */
  readonly spillFolder?: string;
  /** Needed by a rule set that asks a worklist. */
  readonly worklist?: WorklistMatcher;
}

/**
 * Throws what makes the file one that must not be sent (`NOT_PART10`, `MALFORMED`, `UNKNOWN_SOURCE`, `VALUE_NOT_ENCODABLE`, …),
 * `CODEC_UNAVAILABLE` (retryable), what `options.worklist` throws, and for a large file `CHECKSUM_MISMATCH`, `TOO_LARGE` and what its
 * source and the disk throw.
 */
export async function prepareInstance(
  file: Uint8Array | LargeFile,
  source: Source,
  ruleSet: RuleSet,
  framePool: FramePool,
  options: PrepareOptions = {},
): Promise<PreparedInstance> {
  const sha256 = file instanceof Uint8Array ? undefined : file.sha256;
  return preparePart10(await readInstance(file), source, ruleSet, framePool, {
    ...options,
    ...(sha256 === undefined ? {} : { sha256 }),
  });
}

/** Throws what makes the file one that cannot be read, and what its source throws. */
export async function readInstance(file: Uint8Array | ByteSource): Promise<Part10> {
  return file instanceof Uint8Array ? readPart10(file) : readLargePart10(file);
}

/** `prepareInstance`, of a file that has been read. `sha256` is what a large file's bytes must have. Throws as that does. */
export async function preparePart10(
  part10: Part10,
  source: Source,
  ruleSet: RuleSet,
  framePool: FramePool,
  { encode = true, spillFolder, sha256, worklist }: PrepareOptions & Pick<LargeFile, 'sha256'> = {},
): Promise<PreparedInstance> {
  const identity = identify(part10);
  const taken = await takenOfWorklist(part10, identity, ruleSet, worklist);
  const coercion = coerce(part10, ruleSet, source, taken);
  const check = new LargeFileCheck(part10, sha256);
  const encoding = await encodePixels(part10, framePool, {
    enabled: encode,
    onValueBytes: (bytes) => check.update(bytes),
    ...(spillFolder === undefined ? {} : { spillFolder }),
  });
  try {
    await check.finish();
    return await spliced(part10, identity, coercion, encoding);
  } catch (error) {
    await encoding.release?.();
    throw error;
  }
}

/** Nothing where the rule set asks no worklist. */
async function takenOfWorklist(
  { dataSet }: Part10,
  { studyInstanceUID }: InstanceIdentity,
  { worklist: rule }: RuleSet,
  matcher: WorklistMatcher | undefined,
): Promise<readonly SetRule[]> {
  if (rule === undefined) return [];
  if (matcher !== undefined) return matcher.match(studyInstanceUID, worklistQuery(dataSet, rule), rule);
  throw new StorestowError(
    'CONFIG_INVALID',
    'the rule set asks a worklist, which there is none of here; take coerce.worklist out',
  );
}

async function spliced(
  part10: Part10,
  identity: InstanceIdentity,
  coercion: Coercion,
  encoding: Encoding,
): Promise<PreparedInstance> {
  const sent = splice(part10, [...coercion.changes, ...encoding.changes], { transferSyntaxUID: encoding.transferSyntaxUID });
  const { codec, encoded, reason, pixelLength, pixelMd5, release } = encoding;
  const { applied, institution } = coercion;
  return {
    ...identity,
    ...sent,
    md5: await md5Of(sent.segments),
    codec,
    encoded,
    applied,
    named: [...[...coercion.changes, ...encoding.changes].map(nameChange), ...nameSyntax(part10.transferSyntax.uid, encoding)],
    syntaxReceived: part10.transferSyntax.uid,
    syntaxSent: encoding.transferSyntaxUID,
    ...(institution === undefined ? {} : { institution }),
    ...(reason === undefined ? {} : { reason }),
    ...(pixelLength === undefined ? {} : { pixelLength }),
    ...(pixelMd5 === undefined ? {} : { pixelMd5 }),
    ...(release === undefined ? {} : { release }),
  };
}

/** That what was read of a large file, in parts, is what was stored as a whole. */
class LargeFileCheck {
  readonly #part10: Part10;
  readonly #expected: string | undefined;
  readonly #hash: Hash = createHash('sha256');
  #valueBytes = 0;

  constructor(part10: Part10, expected: string | undefined) {
    this.#part10 = part10;
    this.#expected = expected;
    if (this.#expected !== undefined) this.#hash.update(part10.file.subarray(0, part10.gap?.at));
  }

  /** The bytes that the gap leaves out, in their order. */
  update(bytes: Uint8Array): void {
    this.#valueBytes += bytes.length;
    if (this.#expected !== undefined) this.#hash.update(bytes);
  }

  /** Throws `CHECKSUM_MISMATCH`. */
  async finish(): Promise<void> {
    if (this.#expected === undefined) return;
    const { file, gap } = this.#part10;
    if (gap !== undefined) {
      // Pixel data that nobody asked for: of two kinds in one object, only one is described.
      if (this.#valueBytes === 0) for await (const bytes of segmentBytes(gap.range)) this.#hash.update(bytes);
      this.#hash.update(file.subarray(gap.at));
    }
    if (this.#hash.digest('hex') !== this.#expected) {
      throw new StorestowError('CHECKSUM_MISMATCH', 'the object is not what the uploader sent; if that stays, upload it again');
    }
  }
}

function nameSyntax(received: string, { transferSyntaxUID }: Encoding): NamedChange[] {
  if (transferSyntaxUID === received) return [];
  return [{ kind: 'set', path: [], tag: TAG.TransferSyntaxUID, reason: 'transfer syntax' }];
}

async function md5Of(segments: readonly Segment[]): Promise<string> {
  const digest = createHash('md5');
  for (const segment of segments) for await (const bytes of segmentBytes(segment)) digest.update(bytes);
  return digest.digest('hex');
}
