/** What an archive tells of the bytes that it keeps, held against what was sent. */
import type { Part10 } from '../dicom/data-set.ts';
import type { DigestVerdict } from './decide-proof.ts';
import type { ArchivedInstance, OutgoingInstance } from './outcome.ts';

/** MD5, lower-case hex. */
export interface DigestComparison {
  readonly verdict: DigestVerdict;
  /** By the archive. */
  readonly told?: string;
  /** Of the bytes that the archive would keep of what was sent. */
  readonly expected?: string;
}

/** The port. */
export interface ArchiveDigest {
  /** `listed`: what QIDO-RS told of it. Rejects where the archive or the instance's bytes cannot be read. */
  compare(
    instance: OutgoingInstance,
    listed: ArchivedInstance | undefined,
    signal: AbortSignal | undefined,
  ): Promise<DigestComparison>;
  /** Takes from an instance that was retrieved by what digests are predicted. Whether that is news, and others are to be compared anew. */
  learn(retrieved: Part10): boolean;
}

export function compareDigests(told: string, expected: string): DigestComparison {
  return { verdict: told === expected ? 'equal' : 'differs', told, expected };
}
