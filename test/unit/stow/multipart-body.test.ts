import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { multipartBody, newBoundary } from '../../../core/stow/multipart-body.ts';
import { seededBytes } from '../../support/build-dicom.ts';
import { parseMultipart } from '../../../local-cloud/archive/multipart-parser.ts';

const segmentsOf = (...segments: readonly Uint8Array[]) => ({
  segments,
  length: segments.reduce((sum, { length }) => sum + length, 0),
});

describe('multipartBody', () => {
  it('is what RFC 2387 and PS3.18 8.6.1.2.1 ask for', async () => {
    const body = multipartBody([segmentsOf(Buffer.from('abc'), Buffer.from('de')), segmentsOf()], 'B');
    expect(Buffer.concat(await Array.fromAsync(body.chunks())).toString()).toBe(
      '--B\r\nContent-Type: application/dicom\r\n\r\nabcde\r\n' +
        '--B\r\nContent-Type: application/dicom\r\n\r\n\r\n' +
        '--B--\r\n',
    );
    expect(body.contentType).toBe('multipart/related; type="application/dicom"; boundary=B');
  });

  it('hands the segments on as they are, uncopied, each time anew', async () => {
    const segment = Uint8Array.of(1, 2, 3);
    const body = multipartBody([segmentsOf(segment)]);
    const chunks = await Array.fromAsync(body.chunks());
    expect(chunks).toContain(segment);
    expect(await Array.fromAsync(body.chunks())).toEqual(chunks);
  });

  it('reads what is not in memory from its source, a few MiB at once', async () => {
    const bytes = seededBytes(9_000_000);
    const asked: number[] = [];
    const source = {
      length: bytes.length,
      read: async (start: number, end: number) => {
        asked.push(end - start);
        return bytes.slice(start, end);
      },
    };
    const body = multipartBody(
      [{ segments: [Uint8Array.of(1), { source, start: 10, length: 8_999_990 }], length: 8_999_991 }],
      'B',
    );
    const sent = Buffer.concat(await Array.fromAsync(body.chunks()));
    expect(sent.length).toBe(body.length);
    expect(sent.includes(Buffer.concat([Uint8Array.of(1), bytes.subarray(10)]))).toBe(true);
    expect(Math.max(...asked)).toBeLessThanOrEqual(4 * 1024 * 1024);
  });

  it('has a long boundary of its own', () => {
    expect(newBoundary()).toMatch(/^[0-9a-z-]{58}$/);
    expect(newBoundary()).not.toBe(newBoundary());
  });

  it('is as long as it says, and gives its parts back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }), { maxLength: 5 }),
        async (parts) => {
          const boundary = newBoundary();
          const body = multipartBody(
            parts.map((segments) => segmentsOf(...segments)),
            boundary,
          );
          const bytes = Buffer.concat(await Array.fromAsync(body.chunks()));
          expect(bytes.length).toBe(body.length);
          const bodies: Buffer[] = [];
          // Zero parts have no boundary that opens: the closing one is the first.
          for await (const item of parseMultipart(onebyone(bytes), boundary)) {
            if (item.kind === 'broken') expect.fail(item.detail);
            bodies.push(Buffer.concat(await Array.fromAsync(item.body)));
            expect(item.whole()).toBe(true);
          }
          expect(bodies).toEqual(parts.map((segments) => Buffer.concat(segments)));
        },
      ),
    );
  });
});

async function* onebyone(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}
