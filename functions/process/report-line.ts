/** What `process` tells of one input: a line of `--report`. */
import type { PreparedInstance } from '../../core/prepare-instance.ts';
import { asStorestowError } from '../../core/errors.ts';

export interface ReportLine {
  readonly input: string;
  readonly output?: string;
  readonly outcome: 'written' | 'refused';
  readonly code?: string;
  readonly message?: string;
  /** `set StudyID`, `remove RequestingServiceCodeSequence`, … */
  readonly changes: readonly string[];
  readonly encoded: boolean;
  /** Why it was not encoded. */
  readonly reason?: string;
  /** Bytes of the original Pixel Data value, without trailing pad; absent without pixel data. */
  readonly pixelLength?: number;
  readonly pixelMd5?: string;
}

export function writtenLine(input: string, output: string, prepared: PreparedInstance): ReportLine {
  const { applied, encoded, reason, pixelLength, pixelMd5 } = prepared;
  return {
    input,
    output,
    outcome: 'written',
    changes: applied.map(({ action, attribute }) => `${action} ${attribute}`),
    encoded,
    ...(reason === undefined ? {} : { reason }),
    ...(pixelLength === undefined ? {} : { pixelLength }),
    ...(pixelMd5 === undefined ? {} : { pixelMd5 }),
  };
}

export function refusedLine(input: string, thrown: unknown): ReportLine {
  const { code, message } = asStorestowError(thrown, input);
  return { input, outcome: 'refused', code, message, changes: [], encoded: false };
}
