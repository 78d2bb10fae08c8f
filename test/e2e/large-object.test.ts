/**
 * An object that does not fit beside the program in the memory that each process may have: from disk to disk, and from the spool
 * to the archive, encoded and as received. The frames that arrive are decoded by GDCM. bench/large-object.ts does it with 2 GB.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildDicom, imageElements, J2K_LOSSLESS } from '../support/build-dicom.ts';
import { freePort } from '../support/free-port.ts';
import { largeFrame, writeLargeObject, type LargeObject, type WrittenObject } from '../support/large-object.ts';
import { peakMemoryAvailable, peakMemoryDuring } from '../support/peak-memory.ts';
import { requirePeer } from '../support/peers.ts';
import { runStorestow, startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const MEMORY_LIMIT = 512 * 1024 * 1024;
const OBJECT: LargeObject = { frames: 400, rows: 512, columns: 1024 };

const noProc = requirePeer('/proc, which tells the peak of memory', peakMemoryAvailable);
const noGdcm = requirePeer("GDCM's tools", existsSync('/usr/bin/gdcmconv') && existsSync('/usr/bin/gdcmraw'));
const noDcmtk = requirePeer('DCMTK', existsSync('/usr/bin/storescp') && existsSync('/usr/bin/storescu'));

describe.skipIf(noProc || noGdcm)('an object of 400 frames of 1 MiB', () => {
  let folder: TemporaryFolder;
  let file: string;
  let written: WrittenObject;
  const at = (...names: readonly string[]): string => join(folder.path, ...names);

  beforeAll(async () => {
    folder = await temporaryFolder('large');
    await mkdir(at('in'));
    file = at('in', 'large.dcm');
    written = await writeLargeObject(file, OBJECT);
  });
  afterAll(async () => folder.remove());

  async function expectFrames(encoded: string): Promise<void> {
    const { offsetTable, fragments } = await readFragments(encoded);
    expect(fragments).toHaveLength(OBJECT.frames);
    expect(offsetTable).toEqual(fragments.map(({ offset }) => offset));
    for (const index of [0, 1, 199, OBJECT.frames - 1]) {
      const { start = 0, length = 0 } = fragments[index] ?? {};
      const decoded = await decode(await readBytes(encoded, start, length));
      expect(decoded.equals(largeFrame(OBJECT, index)), `frame ${index}`).toBe(true);
    }
  }

  async function decode(codestream: Uint8Array): Promise<Buffer> {
    const { rows, columns } = OBJECT;
    const fragments = [new Uint8Array(0), codestream];
    const one = { rows, columns, bitsStored: 12, pixels: new Uint8Array(0) };
    const wrapped = imageElements({ ...one, extra: [{ tag: 0x7fe00010, vr: 'OB', value: '', fragments }] });
    await writeFile(at('frame.dcm'), buildDicom({ transferSyntaxUID: J2K_LOSSLESS, elements: wrapped }));
    await run('gdcmconv', ['--raw', at('frame.dcm'), at('raw.dcm')]);
    await run('gdcmraw', ['-i', at('raw.dcm'), '-o', at('frame.raw')]);
    return readFile(at('frame.raw'));
  }

  async function audited(data: string): Promise<unknown> {
    const { stdout, code } = await runStorestow(['audit', '--data', data, '--json']);
    const entries = code === 0 ? (JSON.parse(stdout) as readonly { readonly status: string }[]) : [];
    return entries.find(({ status }) => status !== 'pending');
  }

  it('is encoded from disk to disk within 512 MB', async () => {
    const report = at('report.ndjson');
    const storestow = startStorestow(['process', file, '--out', at('out'), '--report', report]);
    await expectWithinMemory(storestow, storestow.finished);
    expect(await storestow.finished).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(report, 'utf8'))).toMatchObject({
      encoded: true,
      pixelLength: written.pixelLength,
      pixelMd5: written.pixelMd5,
    });
    await expectFrames(at('out', 'large.dcm'));
  });

  it('is encoded from a folder to the archive within 512 MB', async () => {
    const storestow = startStorestow(['up', at('in'), '--data', at('folder')]);
    await expectWithinMemory(storestow, storestow.finished);
    expect(await storestow.finished).toMatchObject({ code: 0 });
    expect(await audited(at('folder'))).toMatchObject({
      status: 'stowed',
      syntaxSent: J2K_LOSSLESS,
      pixelLength: written.pixelLength,
      pixelMd5: written.pixelMd5,
    });
    await expectFrames(await onlyInstance(at('folder', 'archive', 'instances')));
    await rm(at('folder'), { recursive: true });
  });

  it.skipIf(noDcmtk)('goes as it was received from storescp to the archive within 512 MB', async () => {
    await writeFile(at('config.json'), JSON.stringify({ encode: { enabled: false } }));
    const port = String(await freePort());
    const storestow = startStorestow(['up', '--data', at('received'), '--port', port, '--config', at('config.json')]);
    try {
      await storestow.waitFor(/running/);
      const arrived = run('storescu', ['127.0.0.1', port, file]).then(async () =>
        waitUntil('the object has its outcome', async () => audited(at('received')), { interval: 1000 }),
      );
      await expectWithinMemory(storestow, arrived);
      expect(await arrived).toMatchObject({ status: 'stowed', pixelLength: written.pixelLength, pixelMd5: written.pixelMd5 });
    } finally {
      await storestow.stop();
    }
    expect(await md5OfEnd(await onlyInstance(at('received', 'archive', 'instances')), written.pixelLength)).toBe(
      written.pixelMd5,
    );
  });
});

/** All of its processes, until `done`. */
async function expectWithinMemory({ child }: RunningStorestow, done: Promise<unknown>): Promise<void> {
  const peaks = await peakMemoryDuring(done, child.pid ?? 0, 'storestow');
  expect(peaks.filter(({ peak }) => peak > 0)).not.toEqual([]);
  expect(peaks.filter(({ peak }) => peak > MEMORY_LIMIT)).toEqual([]);
}

async function onlyInstance(root: string): Promise<string> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  expect(files).toHaveLength(1);
  return files[0] ?? '';
}

/** MD5 of the last bytes: the pixel data of a native object, its last element. */
async function md5OfEnd(path: string, length: number): Promise<string> {
  const digest = createHash('md5');
  const { size } = await stat(path);
  for await (const chunk of createReadStream(path, { start: size - length })) digest.update(chunk as Buffer);
  return digest.digest('hex');
}

async function readBytes(path: string, start: number, length: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

interface Fragments {
  /** Of the Basic Offset Table. */
  readonly offsetTable: readonly number[];
  /** `offset` from the first byte behind the table, `start` of the fragment's bytes in the file. */
  readonly fragments: readonly { readonly offset: number; readonly start: number; readonly length: number }[];
}

/** The items of encapsulated pixel data (PS3.5 A.4), found without the reader under test. */
async function readFragments(path: string): Promise<Fragments> {
  const head = await readBytes(path, 0, 64 * 1024);
  const pixelData = head.indexOf(Buffer.from('e07f10004f420000ffffffff', 'hex'));
  expect(pixelData).toBeGreaterThan(0);
  const items: { start: number; length: number }[] = [];
  for (let at = pixelData + 12; ;) {
    const header = await readBytes(path, at, 8);
    if (header.readUInt32LE(0) !== 0xe000fffe) break;
    items.push({ start: at + 8, length: header.readUInt32LE(4) });
    at += 8 + header.readUInt32LE(4);
  }
  const [table = { start: 0, length: 0 }, ...fragments] = items;
  const offsets = await readBytes(path, table.start, table.length);
  return {
    offsetTable: Array.from({ length: table.length / 4 }, (_, index) => offsets.readUInt32LE(index * 4)),
    fragments: fragments.map(({ start, length }) => ({ offset: start - 8 - table.start - table.length, start, length })),
  };
}
