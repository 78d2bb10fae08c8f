/** Pixel data in one line: how it lies in the file, and how much it is. */
import type { Part10 } from '../../core/dicom/data-set.ts';
import { describePixels } from '../../core/dicom/describe-pixels.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { transferSyntaxName } from '../../core/dicom/transfer-syntax-name.ts';

/**
 * `native 512x512x1, 524288 bytes` (rows, columns, frames; `of 3 samples` where there are several), or
 * `JPEG 2000 reversible, 1 fragment, 171034 bytes`; undefined without integer pixel data.
 */
export function pixelText(part10: Part10): string | undefined {
  const element = part10.dataSet.get(TAG.PixelData);
  if (element === undefined) return undefined;
  const { fragments, length } = element;
  if (fragments !== undefined) {
    // The first one is the Basic Offset Table (PS3.5 A.4).
    const frames = fragments.slice(1);
    const bytes = frames.reduce((sum, fragment) => sum + fragment.length, 0);
    const { uid } = part10.transferSyntax;
    return `${transferSyntaxName(uid) ?? uid}, ${frames.length} fragment${frames.length === 1 ? '' : 's'}, ${bytes} bytes`;
  }
  const { Rows, Columns, NumberOfFrames, SamplesPerPixel } = describePixels(part10) ?? {};
  const size = [Rows, Columns, NumberOfFrames].map((number) => number ?? '?').join('x');
  const samples = SamplesPerPixel === undefined || SamplesPerPixel === 1 ? '' : ` of ${SamplesPerPixel} samples`;
  return `native ${size}${samples}, ${length} bytes`;
}
