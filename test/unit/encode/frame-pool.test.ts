import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { readCodestreamHeader } from '../../../core/encode/codestream.ts';
import type { FrameLayout } from '../../../core/encode/frame-layout.ts';
import { createFramePool } from '../../../core/encode/frame-pool.ts';
import type { DecodingPool, FramePoolOptions } from '../../../core/encode/frame-pool.ts';
import { openOpenJpeg } from '../../../core/encode/openjpeg.ts';
import { HTJ2K_LOSSLESS, imagePixels, J2K_LOSSLESS } from '../../support/build-dicom.ts';

const layout: FrameLayout = {
  rows: 16,
  columns: 16,
  samplesPerPixel: 1,
  bitsAllocated: 16,
  bitsStored: 12,
  signed: true,
  colourByPlane: false,
  bigEndianWords: false,
  colourTransformation: false,
};
const ENDS = new URL('./workers/ends.ts', import.meta.url);
const DOES_NOT_START = new URL('./workers/does-not-start.ts', import.meta.url);

let pool: DecodingPool | undefined;
function open(options: FramePoolOptions): DecodingPool {
  return (pool = createFramePool(options));
}
afterEach(async () => {
  await pool?.close();
  pool = undefined;
});

describe('createFramePool', () => {
  it('encodes frames in parallel, and leaves each with its caller', async () => {
    const frames = Array.from({ length: 20 }, (_, seed) => imagePixels(layout, seed + 1));
    const two = open({ threads: 2 });
    const results = await Promise.all(frames.map((frame) => two.encodeFrame(frame, layout)));
    const codec = await openOpenJpeg();
    results.forEach((result, index) => {
      expect(frames[index]).toEqual(imagePixels(layout, index + 1));
      expect(result.proved && codec.decode(result.codestream, layout)).toEqual(frames[index]);
    });
  });

  it('takes a frame that is a view of a pooled Buffer', async () => {
    const file = Buffer.concat([Buffer.from('before'), imagePixels(layout), Buffer.from('after')]);
    const before = Buffer.from(file).toString('hex');
    expect(await open({ threads: 1 }).encodeFrame(file.subarray(6, -5), layout)).toMatchObject({ proved: true });
    expect(file.toString('hex')).toBe(before);
  });

  it('decodes what it encoded, in parallel, and says of what is no such codestream that it cannot', async () => {
    const frames = Array.from({ length: 6 }, (_, seed) => imagePixels(layout, seed + 1));
    const two = open({ threads: 2 });
    const encoded = await Promise.all(frames.map((frame) => two.encodeFrame(frame, layout)));
    const codestreams = encoded.map((result) => (result.proved ? result.codestream : new Uint8Array(0)));
    const decoded = await Promise.all(codestreams.map((codestream) => two.decodeFrame(codestream, layout, 'j2k')));
    expect(decoded).toEqual(frames.map((samples) => ({ decoded: true, samples })));
    const [first = new Uint8Array(0)] = codestreams;
    expect(await two.decodeFrame(first, { ...layout, rows: 17 }, 'j2k')).toEqual({ decoded: false });
    expect(await two.decodeFrame(first, layout, 'htj2k')).toEqual({ decoded: false });
    expect(await two.decodeFrame(first.subarray(0, 100), layout, 'j2k')).toEqual({ decoded: false });
  });

  it('names the codec with its version', () => {
    expect(open({ threads: 1 }).codec).toMatch(/^openjpeg-\d+\.\d+\.\d+$/);
  });

  it('encodes to HTJ2K where that is asked for', async () => {
    const one = open({ threads: 1, syntax: 'htj2k' });
    expect(one).toMatchObject({
      codec: expect.stringMatching(/^openjph-\d+\.\d+\.\d+$/) as unknown,
      transferSyntaxUID: HTJ2K_LOSSLESS,
    });
    const result = await one.encodeFrame(imagePixels(layout), layout);
    expect(result.proved && readCodestreamHeader(result.codestream)?.syntax).toBe('htj2k');
    expect(open({}).transferSyntaxUID).toBe(J2K_LOSSLESS);
  });

  it('has a thread for each processor where none are named', () => {
    expect(open({}).threads).toBeGreaterThanOrEqual(1);
    expect(open({ threads: 3 }).threads).toBe(3);
  });

  it('passes more bytes than may be under way', async () => {
    const small = open({ threads: 2, maxBytesInFlight: 600 });
    const results = await Promise.all(Array.from({ length: 10 }, () => small.encodeFrame(imagePixels(layout), layout)));
    expect(results.every(({ proved }) => proved)).toBe(true);
  });
});

describe('a thread that dies', () => {
  const frame = (first: number) => Uint8Array.of(first, 0);

  it.each([
    ['ends', 1],
    ['throws', 3],
    ['runs out of memory', 4],
  ])('when it %s, rejects its frame, and the others go on', async (_name, first) => {
    const one = open({ threads: 1, worker: ENDS });
    const results = await Promise.allSettled([0, first, 0, 0, first, 0].map((byte) => one.encodeFrame(frame(byte), layout)));
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled',
    ]); // prettier-ignore
    expect(results[1]).toMatchObject({ reason: { code: 'CODEC_UNAVAILABLE', retryable: true } });
  });

  it('when it is stuck, is replaced', async () => {
    const one = open({ threads: 1, worker: ENDS, frameTimeout: 0.5 });
    await expect(one.encodeFrame(frame(2), layout)).rejects.toMatchObject({ code: 'CODEC_UNAVAILABLE' });
    expect(await one.encodeFrame(frame(0), layout)).toMatchObject({ proved: true });
  });

  it('when none starts, rejects every frame and never hangs', async () => {
    const none = open({ threads: 2, worker: DOES_NOT_START });
    for (let round = 0; round < 2; round++) {
      const results = await Promise.allSettled(Array.from({ length: 12 }, () => none.encodeFrame(frame(0), layout)));
      for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'CODEC_UNAVAILABLE' } });
    }
  });
});

describe('close', () => {
  it('lets frames under way finish, refuses those that wait and those that come', async () => {
    const one = open({ threads: 1 });
    const frames = Array.from({ length: 8 }, () => one.encodeFrame(imagePixels(layout), layout));
    const settled = Promise.allSettled(frames);
    await new Promise<void>((resolve) => setImmediate(resolve));
    await one.close();
    const results = await settled;
    expect(results.slice(0, 2)).toMatchObject([{ value: { proved: true } }, { value: { proved: true } }]);
    for (const result of results.slice(2)) expect(result).toMatchObject({ reason: { code: 'CODEC_UNAVAILABLE' } });
    await expect(one.encodeFrame(imagePixels(layout), layout)).rejects.toMatchObject({ code: 'CODEC_UNAVAILABLE' });
  });

  it('can be done twice, and without a frame before', async () => {
    const unused = open({ threads: 1 });
    await unused.close();
    await unused.close();
    await expect(unused.encodeFrame(imagePixels(layout), layout)).rejects.toMatchObject({ code: 'CODEC_UNAVAILABLE' });
  });

  it.each([
    ['closed', 'await pool.close();'],
    ['left open', ''],
  ])('a process whose pool is %s ends', async (_name, last) => {
    const script = `
      const { createFramePool } = await import(${JSON.stringify(new URL('../../../core/encode/frame-pool.ts', import.meta.url).href)});
      const pool = createFramePool({ threads: 2 });
      const { proved } = await pool.encodeFrame(new Uint8Array(512), ${JSON.stringify(layout)});
      ${last}
      process.stdout.write(String(proved));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script], {
      timeout: 20_000,
    });
    expect(stdout).toBe('true');
  });
});
