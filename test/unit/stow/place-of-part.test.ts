import { describe, expect, it } from 'vitest';
import { placeOfPart } from '../../../core/stow/place-of-part.ts';

const TYPE = 'multipart/related; type="application/dicom"; boundary="B"';
const PART = '--B\r\nContent-Type: application/dicom\r\n\r\none\r\n--B--';

describe('placeOfPart', () => {
  const place = (contentType: string, body: string, bytes = body.length): string | undefined => {
    const whole = Buffer.from(body);
    const [head, tail] = [whole.subarray(0, bytes), whole.subarray(Math.max(0, body.length - bytes))];
    const found = placeOfPart(contentType, { head, tail, length: whole.length });
    return found === undefined ? undefined : whole.subarray(found.start, found.end).toString();
  };

  it.each([
    ['one part', TYPE, PART, 'one'],
    ['an unquoted boundary', 'Multipart/Related;boundary=B;type="application/dicom"', PART, 'one'],
    ['no headers', TYPE, '--B\r\n\r\none\r\n--B--', 'one'],
    ['an empty one', TYPE, '--B\r\n\r\n\r\n--B--', ''],
    ['another boundary', TYPE, PART.replaceAll('--B', '--C'), undefined],
    ['no boundary parameter', 'multipart/related', PART, undefined],
    ['a preamble and an epilogue', TYPE, `x\r\n${PART}\r\ny`, 'one'],
    ['a boundary that is not closed', TYPE, '--B\r\n\r\none\r\n--B', undefined],
    ['no headers end', TYPE, '--B\r\none\r\n--B--', undefined],
    ['a closing boundary alone', TYPE, '\r\n--B--\r\n\r\n', undefined],
    ['no multipart', 'application/dicom', PART, undefined],
    ['nothing', '', '', undefined],
  ])('%s', (_, contentType, body, part) => {
    expect(place(contentType, body)).toBe(part);
  });

  it('needs the ends of the body only', () => {
    const value = 'v'.repeat(1000);
    expect(place(TYPE, `--B\r\n\r\n${value}\r\n--B--`, 40)).toBe(value);
  });
});
