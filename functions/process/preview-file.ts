/**
 * One file coerced and encoded, but not written: what would differ, and why. It is found in the bytes that would be
 * written, read again, and not in what the steps say of themselves; their reasons are only laid beside it.
 */
import type { Part10 } from '../../core/dicom/data-set.ts';
import { differences, type DifferenceOptions } from '../../core/dicom/difference.ts';
import { explainDifferences } from '../../core/dicom/explain-differences.ts';
import { sameGap } from '../../core/dicom/same-gap.ts';
import { SegmentsSource } from '../../core/dicom/segments-source.ts';
import { asStorestowError } from '../../core/errors.ts';
import { readInstance, type PreparedInstance } from '../../core/prepare-instance.ts';
import { differenceLine, type DifferenceLine } from './difference-line.ts';
import { withPreparedFile } from './prepared-file.ts';
import type { ProcessPorts } from './process-ports.ts';

export type FilePreview = ChangedPreview | RefusedPreview;

export interface ChangedPreview {
  readonly input: string;
  readonly outcome: 'changes' | 'unchanged';
  readonly encoded: boolean;
  /** Why it would not be encoded. */
  readonly reason?: string;
  readonly differences: readonly DifferenceLine[];
  /** Of the differences: those that nothing accounts for. There must be none. */
  readonly unexplained: number;
}

export interface RefusedPreview {
  readonly input: string;
  readonly outcome: 'refused';
  readonly code: string;
  readonly message: string;
}

/** Never rejects: what would be refused is told as such. */
export async function previewFile(input: string, ports: ProcessPorts): Promise<FilePreview> {
  try {
    return await withPreparedFile(input, ports, async ({ original, prepared }) => {
      const written = await readAgain(prepared, original.gap !== undefined);
      return preview(input, original, prepared, written, { sameGap: await sameGap(original, written) });
    });
  } catch (thrown) {
    const { code, message } = asStorestowError(thrown, input);
    return { input, outcome: 'refused', code, message };
  }
}

export function preview(
  input: string,
  before: Part10,
  prepared: PreparedInstance,
  after: Part10,
  options?: DifferenceOptions,
): ChangedPreview {
  const { encoded, reason, named } = prepared;
  const explained = explainDifferences(differences(before, after, options), named, after);
  return {
    input,
    outcome: explained.length === 0 ? 'unchanged' : 'changes',
    encoded,
    ...(reason === undefined ? {} : { reason }),
    differences: explained.map((difference) => differenceLine(difference, { before, after, proved: encoded })),
    unexplained: explained.filter((difference) => difference.reason === undefined).length,
  };
}

async function readAgain(prepared: PreparedInstance, isLarge: boolean): Promise<Part10> {
  const written = new SegmentsSource(prepared);
  return readInstance(isLarge ? written : await written.read(0, written.length));
}
