/** What a test compares of a file: each element with its path, its value where it is a leaf, and its whole bytes. */
import { inMemory, type Segment } from '../../../core/dicom/byte-source.ts';
import type { DataSet } from '../../../core/dicom/data-set.ts';
import { formatTag } from '../../../core/dicom/tag-text.ts';

export interface FlatElement {
  /** `(0040,A730)[0].(0008,0100)` */
  readonly path: string;
  readonly vr: string;
  /** Hexadecimal; of a sequence or of fragments how many there are. */
  readonly value: string;
}

export function flatElements(dataSet: DataSet, prefix = ''): FlatElement[] {
  return dataSet.elements.flatMap((element) => {
    const path = `${prefix}${formatTag(element.tag)}`;
    if (element.items !== undefined) {
      const nested = element.items.flatMap((item, index) => flatElements(item.dataSet, `${path}[${index}].`));
      return [{ path, vr: element.vr, value: `${element.items.length} items` }, ...nested];
    }
    const bytes = dataSet.bytes.subarray(element.valueOffset, element.valueOffset + element.length);
    return [{ path, vr: element.vr, value: Buffer.from(bytes).toString('hex') }];
  });
}

export function joined(segments: readonly Segment[]): Uint8Array {
  return new Uint8Array(Buffer.concat(inMemory(segments)));
}

/** The error that `run` throws, to look at its code and offset. */
export function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
