/**
 * The steps composed: an instance as received → what is sent and what is kept of it. A pure function of the file, where it
 * came from, the rule set and the codec: a replay gives the same bytes, so the archive's digest of an earlier try
 * still matches, and an auditor can compute them again from the bucket alone.
 */
import { createHash } from 'node:crypto';
import { coerce, type AppliedRule, type Source } from './coerce/coerce.ts';
import type { RuleSet } from './coerce/rule-set.ts';
import { segmentBytes, type Segment } from './dicom/byte-source.ts';
import { identify } from './dicom/identify.ts';
import { nameChange, type NamedChange } from './dicom/named-change.ts';
import { readPart10 } from './dicom/read-part10.ts';
import { splice } from './dicom/splice.ts';
import { TAG } from './dicom/tags.ts';
import { encodePixels, type Encoding } from './encode/encode-pixels.ts';
import type { FramePool } from './encode/frame-pool.ts';
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
}

export interface PrepareOptions {
  /** False: every instance goes as it was received, coerced only. */
  readonly encode?: boolean;
}

/**
 * Throws what makes the file one that must not be sent (`NOT_PART10`, `MALFORMED`, `UNKNOWN_SOURCE`, `VALUE_NOT_ENCODABLE`, …),
 * and `CODEC_UNAVAILABLE` (retryable).
 */
export async function prepareInstance(
  file: Uint8Array,
  source: Source,
  ruleSet: RuleSet,
  framePool: FramePool,
  { encode = true }: PrepareOptions = {},
): Promise<PreparedInstance> {
  const part10 = readPart10(file);
  const identity = identify(part10);
  const coercion = coerce(part10, ruleSet, source);
  const encoding = await encodePixels(part10, framePool, { enabled: encode });
  const sent = splice(part10, [...coercion.changes, ...encoding.changes], { transferSyntaxUID: encoding.transferSyntaxUID });
  const { codec, encoded, reason, pixelLength, pixelMd5 } = encoding;
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
  };
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
