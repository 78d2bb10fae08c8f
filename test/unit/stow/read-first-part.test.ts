import { describe, expect, it } from 'vitest';
import { readFirstPart } from '../../../core/stow/read-first-part.ts';

const TYPE = 'multipart/related; type="application/dicom"; boundary="B"';
const read = (contentType: string, body: string): string | undefined => {
  const part = readFirstPart(contentType, Buffer.from(body));
  return part === undefined ? undefined : Buffer.from(part).toString();
};
const PART = '--B\r\nContent-Type: application/dicom\r\n\r\none\r\n--B--';

describe('readFirstPart', () => {
  it.each([
    ['one part', TYPE, PART, 'one'],
    ['an unquoted boundary', 'Multipart/Related;boundary=B;type="application/dicom"', PART, 'one'],
    ['a preamble', TYPE, `x\r\n${PART}`, 'one'],
    ['no headers', TYPE, '--B\r\n\r\none\r\n--B--', 'one'],
    ['the first of two', TYPE, '--B\r\n\r\none\r\n--B\r\n\r\ntwo\r\n--B--', 'one'],
    ['an empty one', TYPE, '--B\r\n\r\n\r\n--B--', ''],
    ['no end', TYPE, '--B\r\n\r\none', undefined],
    ['no headers end', TYPE, '--B\r\none\r\n--B--', undefined],
    ['another boundary', TYPE, PART.replaceAll('--B', '--C'), undefined],
    ['no boundary parameter', 'multipart/related', PART, undefined],
    ['no multipart', 'application/dicom', PART, undefined],
    ['nothing', '', '', undefined],
  ])('%s', (_, contentType, body, part) => {
    expect(read(contentType, body)).toBe(part);
  });
});
