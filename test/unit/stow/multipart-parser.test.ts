import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMultipart } from '../../../local-cloud/archive/multipart-parser.ts';

async function* inChunks(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    if (at >= bytes.length) return;
    yield bytes.subarray(at, at + size);
    at += size;
  }
  if (at < bytes.length) yield bytes.subarray(at);
}

async function parse(text: string, sizes: readonly number[] = []): Promise<string[]> {
  const parsed: string[] = [];
  for await (const item of parseMultipart(inChunks(Buffer.from(text, 'latin1'), sizes), 'B')) {
    if (item.kind === 'broken') {
      parsed.push(`broken: ${item.detail}`);
      continue;
    }
    const body = Buffer.concat(await Array.fromAsync(item.body)).toString('latin1');
    if (item.whole()) parsed.push(body);
  }
  return parsed;
}

const HEAD = 'Content-Type: application/dicom\r\n\r\n';

describe('parseMultipart, as dcm4chee parses', () => {
  it.each([
    ['one part', `--B\r\n${HEAD}one\r\n--B--`, ['one']],
    ['two parts', `--B\r\n${HEAD}one\r\n--B\r\n${HEAD}two\r\n--B--\r\n`, ['one', 'two']],
    ['an empty part', `--B\r\n${HEAD}\r\n--B--`, ['']],
    ['preamble and epilogue', `before\r\n--B\r\n${HEAD}one\r\n--B--\r\nafter --B\r\n`, ['one']],
    ['the boundary within a line', `--B\r\n${HEAD}x--B y\r\n--B--`, ['x--B y']],
    ['no part', '--B--\r\n', []],
    ['an empty body', '', ['broken: ']],
    ['another boundary', `--C\r\n${HEAD}one\r\n--C--`, ['broken: ']],
    ['only an opening', '--B\r\n', ['broken: ']],
    ['an opening that is cut', '--B\r', ['broken: ']],
    ['no end', `--B\r\n${HEAD}one\r\n`, ['broken: ']],
    ['no end of the second part', `--B\r\n${HEAD}one\r\n--B\r\n${HEAD}tw`, ['one', 'broken: ']],
    ['headers that do not end', `--B\r\nContent-Type: application/dicom\r\n`, ['broken: ']],
    ['bare line feeds', `--B\nContent-Type: application/dicom\n\none\n--B--\n`, ['broken: missing CR/LF after boundary']],
    ['white space behind the boundary', `--B \r\n${HEAD}one\r\n--B--`, ['broken: missing CR/LF after boundary']],
    ['a prefix of the boundary counts', `--B\r\n${HEAD}one\r\n--Bx--`, ['one', 'broken: missing CR/LF after boundary']],
  ])('%s', async (_, text, parts) => {
    expect(await parse(text)).toEqual(parts);
  });

  it('gives the headers, and none where there are none', async () => {
    const text = `--B\r\nContent-Type: application/dicom\r\nX: y:z\r\n\r\none\r\n--B\r\n\r\ntwo\r\n--B--`;
    const items = await Array.fromAsync(parseMultipart(inChunks(Buffer.from(text), []), 'B'));
    expect(items.map((item) => (item.kind === 'part' ? Object.fromEntries(item.headers) : {}))).toEqual([
      { 'content-type': 'application/dicom', x: 'y:z' },
      {},
    ]);
  });

  it('sees the same however the bytes are cut into chunks', async () => {
    const text = `pre\r\n--B\r\n${HEAD}o\r\n-ne\r\n--\r\n--B\r\n${HEAD}\r\n--B--rest`;
    const whole = await parse(text);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 }), async (sizes) => {
        expect(await parse(text, sizes)).toEqual(whole);
      }),
    );
  });

  it('passes over a body that nobody reads', async () => {
    const text = `--B\r\n${HEAD}one\r\n--B\r\n${HEAD}two\r\n--B--`;
    const items = await Array.fromAsync(parseMultipart(inChunks(Buffer.from(text), [20, 20]), 'B'));
    expect(items.map((item) => item.kind === 'part' && item.whole())).toEqual([true, true]);
  });

  it('hands a body on while the rest of it is still to come', async () => {
    const sent: number[] = [];
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(`--B\r\n${HEAD}`);
      for (let block = 0; ; block++) {
        sent.push(block);
        yield Buffer.alloc(1000, 'x');
      }
    }
    let read = 0;
    for await (const item of parseMultipart(endless(), 'B')) {
      if (item.kind !== 'part') continue;
      for await (const chunk of item.body) {
        read += chunk.length;
        if (read > 10_000) break;
      }
      break;
    }
    expect(read).toBeGreaterThan(10_000);
    expect(sent.length).toBeLessThan(20);
  });
});
