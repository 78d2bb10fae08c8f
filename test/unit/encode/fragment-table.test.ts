import { describe, expect, it } from 'vitest';
import { fragmentTable } from '../../../core/encode/fragment-table.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { buildImage, J2K_LOSSLESS } from '../../support/build-dicom.ts';
import { joined } from '../dicom/flat-elements.ts';

const FRAMES = [new Uint8Array(11).fill(1), new Uint8Array(4).fill(2), new Uint8Array(7).fill(3)];

/** The file as a reader of its own sees it. */
function written(maxOffset: number | undefined) {
  const changes = fragmentTable(FRAMES, maxOffset).map(
    (element) => ({ kind: 'set', path: [], element, reason: 'test' }) as const,
  );
  const file = joined(splice(readPart10(buildImage()), changes, { transferSyntaxUID: J2K_LOSSLESS }).segments);
  const { body, dataSet } = readPart10(file);
  const words = (tag: number): number[] | undefined => {
    const element = dataSet.get(tag);
    if (element === undefined) return undefined;
    const view = new DataView(body.buffer, body.byteOffset + element.valueOffset, element.length);
    return Array.from({ length: element.length / 8 }, (_, index) => Number(view.getBigUint64(index * 8, true)));
  };
  const [basic, ...fragments] = dataSet.get(0x7fe00010)?.fragments ?? [];
  return {
    basic: basic === undefined ? undefined : [...body.subarray(basic.valueOffset, basic.valueOffset + basic.length)],
    offsets: words(0x7fe00001),
    lengths: words(0x7fe00002),
    begins: fragments.map(({ offset }) => offset - (fragments[0]?.offset ?? 0)),
    fragmentLengths: fragments.map(({ length }) => length),
  };
}

describe('fragmentTable', () => {
  it('fills the Basic Offset Table where 32 bits tell every offset', () => {
    expect(written(undefined)).toMatchObject({
      basic: [0, 0, 0, 0, 20, 0, 0, 0, 32, 0, 0, 0],
      offsets: undefined,
      lengths: undefined,
      begins: [0, 20, 32],
    });
    expect(written(32).offsets).toBeUndefined();
  });

  it('leaves it empty beside an Extended one where they do not (PS3.3 C.7.6.3.1.8)', () => {
    expect(written(31)).toEqual({
      basic: [],
      offsets: [0, 20, 32],
      lengths: [12, 4, 8],
      begins: [0, 20, 32],
      fragmentLengths: [12, 4, 8],
    });
  });
});
