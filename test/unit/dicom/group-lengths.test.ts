import { describe, expect, it } from 'vitest';

import { GroupLengths } from '../../../core/dicom/group-lengths.ts';
import { SegmentSink } from '../../../core/dicom/segment-sink.ts';

const ENCODING = { explicitVR: true, bigEndian: false };

describe('group lengths', () => {
  it('count what follows them, a second group length included', () => {
    const lengths = new GroupLengths(ENCODING, (group) => group === 2);
    const sink = new SegmentSink();
    const element = new Uint8Array(12);
    lengths.reserve(0x00020000, element, sink);
    lengths.count(0x00020000, 12);
    lengths.count(0x00020000, 12);
    lengths.count(0x00020010, 28);
    lengths.count(0x00080005, 18);
    lengths.settle();
    expect(new DataView(element.buffer).getUint32(8, true)).toBe(40);
  });
});
