/** What the fuzzer found: small files that cost much memory or time, and one that could not be read again. */
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { splice } from '../../../core/dicom/splice.ts';
import { buildDicom, DEFLATED_LE } from '../../support/build-dicom.ts';
import { joined, thrownBy } from './flat-elements.ts';

const EMPTY_ELEMENT = Buffer.from([0x11, 0x00, 0x01, 0x10, 0x4c, 0x4f, 0, 0]);

/** A file meta information with `body`, deflated. */
function deflatedFile(body: Uint8Array): Uint8Array {
  const empty = buildDicom({ transferSyntaxUID: DEFLATED_LE, elements: [] });
  return joined([empty.subarray(0, empty.length - deflateRawSync(new Uint8Array(0)).length), deflateRawSync(body)]);
}

describe('a file of more elements than memory holds', () => {
  it('is refused, small as it is', () => {
    const file = deflatedFile(Buffer.alloc(8 * 4_000_001, EMPTY_ELEMENT));
    expect(file.length).toBeLessThan(100_000);
    expect(thrownBy(() => readPart10(file))).toMatchObject({ code: 'MALFORMED', offset: 8 * 4_000_000 });
  });
});

describe('a data set that is not in order', () => {
  const elements = [0x00280011, 0x00280010, 0x00280010].map((tag, at) => ({ tag, vr: 'US', value: [at] }));

  it('gives the first element of a tag', () => {
    const { dataSet } = readPart10(buildDicom({ elements }));
    expect(dataSet.get(0x00280010)).toBe(dataSet.elements[1]);
    expect(dataSet.get(0x00280011)).toBe(dataSet.elements[0]);
    expect(dataSet.get(0x00280012)).toBeUndefined();
  });

  it('is not looked through each time', () => {
    const count = 200_000;
    const { dataSet } = readPart10(deflatedFile(Buffer.alloc(8 * count, EMPTY_ELEMENT)));
    // 2 × 10¹⁰ comparisons otherwise, minutes: the test's own limit ends it
    for (let turn = 0; turn < count; turn++) dataSet.get(0x00080005);
    expect(dataSet.elements).toHaveLength(count);
  });
});

describe('an element without a VR', () => {
  it('is read whatever stands behind it, so that it still is where its neighbour was removed', () => {
    const elements = [
      { tag: 0x00290010, vr: 'un', value: 'theirs' },
      { tag: 0x00321034, vr: 'SQ', value: [] },
      { tag: 0x00080020, vr: 'DA', value: '20261124' },
    ];
    const part10 = readPart10(buildDicom({ elements }));
    const { segments } = splice(part10, [{ kind: 'remove', path: [], tag: 0x00321034, reason: 'test' }]);
    expect(readPart10(joined(segments)).dataSet.elements.map(({ tag }) => tag)).toEqual([0x00290010, 0x00080020]);
  });
});
