import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import type { FramePool } from '../../../core/encode/frame-pool.ts';
import { ByteBudget } from '../../../functions/ingest/byte-budget.ts';
import { processFile } from '../../../functions/process/process-file.ts';
import type { ProcessPorts } from '../../../functions/process/process-ports.ts';
import { buildImage, J2K_LOSSLESS } from '../../support/build-dicom.ts';
import { waitUntil } from '../../support/wait-until.ts';

const framePool: FramePool = {
  codec: 'codec-1.0.0',
  transferSyntaxUID: J2K_LOSSLESS,
  threads: 2,
  encodeFrame: async () => ({ proved: true, codestream: Uint8Array.of(0xff, 0x4f) }),
  close: async () => undefined,
};
const PORTS: ProcessPorts = {
  ruleSet: { rules: [{ action: 'set', target: 'StudyID', value: 'NEW' }], unknownSource: 'pass', originalAttributes: false },
  framePool,
  budget: new ByteBudget(1e9),
  encode: true,
  callingAET: 'CT1',
  callingIP: '10.0.0.7',
};

describe('a file through process', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'process-file-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ['whole', {}],
    ['where it lies', { largeFile: 0 }],
  ])('is read %s, written, and reported', async (name, more) => {
    const input = join(folder, 'in.dcm');
    const output = join(folder, name, 'deep', 'out.dcm');
    await writeFile(input, buildImage({ frames: 2 }));
    const line = await processFile(input, output, { ...PORTS, ...more });
    expect(line).toEqual({
      input,
      output,
      outcome: 'written',
      changes: ['set StudyID'],
      encoded: true,
      pixelLength: 1024,
      pixelMd5: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown,
    });
    const { dataSet, transferSyntax } = readPart10(await readFile(output));
    expect(transferSyntax.uid).toBe(J2K_LOSSLESS);
    expect(dataSet.get(0x7fe00010)?.fragments).toHaveLength(3);
    // Nothing is left beside it.
    expect(await readdir(join(folder, name, 'deep'))).toEqual(['out.dcm']);
  });

  it.each([
    ['as many as there are, where they fit', 1e9, 4],
    ['two, where two fit', 2 * buildImage().length, 2],
    ['one that is larger than all of it', 1, 1],
  ])('is in memory at once with others: %s', async (_name, bytes, most) => {
    const input = join(folder, 'in.dcm');
    await writeFile(input, buildImage());
    let [atOnce, seen] = [0, 0];
    const counting: FramePool = {
      ...framePool,
      encodeFrame: async (...frame) => {
        atOnce += 1;
        seen = Math.max(seen, atOnce);
        // Until every other one that may come has come.
        if (seen < most) await waitUntil('as many are under way as may be', () => seen === most, { interval: 1 });
        const encoded = await framePool.encodeFrame(...frame);
        await setImmediate();
        atOnce -= 1;
        return encoded;
      },
    };
    const given = { ...PORTS, framePool: counting, budget: new ByteBudget(bytes) };
    const outputs = [1, 2, 3, 4].map((number) => join(folder, 'at-once', `${number}.dcm`));
    const lines = await Promise.all(outputs.map(async (output) => processFile(input, output, given)));
    expect(lines).toMatchObject(outputs.map((output) => ({ output, outcome: 'written' })));
    expect(seen).toBe(most);
  });

  it.each<[string, Uint8Array | undefined, string]>([
    ['what is no DICOM file', new Uint8Array(10), 'NOT_PART10'],
    ['what is not there', undefined, 'USAGE'],
  ])('refuses %s and writes nothing', async (_name, bytes, code) => {
    const input = join(folder, 'refused.dcm');
    await rm(input, { force: true });
    if (bytes !== undefined) await writeFile(input, bytes);
    const line = await processFile(input, join(folder, 'refused', 'out.dcm'), PORTS);
    expect(line).toMatchObject({ input, outcome: 'refused', code, changes: [], encoded: false });
    expect(await readdir(folder)).not.toContain('refused');
  });

  it('writes a name that is as long as names may be', async () => {
    const [input, output] = [join(folder, 'in.dcm'), join(folder, 'long', `${'n'.repeat(251)}.dcm`)];
    await writeFile(input, buildImage({}));
    expect(await processFile(input, output, PORTS)).toMatchObject({ outcome: 'written' });
  });

  it('refuses what cannot be written', async () => {
    const input = join(folder, 'in.dcm');
    await writeFile(input, buildImage({}));
    expect(await processFile(input, join(input, 'below-a-file.dcm'), PORTS)).toMatchObject({
      outcome: 'refused',
      code: 'STORE_UNAVAILABLE',
    });
  });
});
