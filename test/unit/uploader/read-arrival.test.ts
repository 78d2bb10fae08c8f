import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readArrival } from '../../../local-uploader/arrival/read-arrival.ts';
import { buildDicom, buildImage, imageElements, seededBytes, DEFLATED_LE, IMPLICIT_LE } from '../../support/build-dicom.ts';
import { peakMemoryAvailable } from '../../support/peak-memory.ts';
import { requirePeer } from '../../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const noProc = requirePeer('/proc, which tells the peak of memory', peakMemoryAvailable);

describe('readArrival', () => {
  let folder: TemporaryFolder;
  const path = (name: string): string => join(folder.path, name);
  const file = async (bytes: Uint8Array, name = 'file'): Promise<string> => {
    await writeFile(path(name), bytes);
    return path(name);
  };

  beforeEach(async () => {
    folder = await temporaryFolder('arrival');
  });
  afterEach(() => folder.remove());

  it('says what a whole file is, and from whom', async () => {
    const meta = [
      { tag: 0x00020016, vr: 'AE', value: '$(touch pwned)' },
      { tag: 0x00020018, vr: 'AE', value: 'STORESTOW' },
    ];
    const bytes = buildDicom({ elements: imageElements({ studyUID: '1.2', seriesUID: '1.2.3', sopUID: '1.2.3.4' }), meta });
    expect(await readArrival(await file(bytes))).toMatchObject({
      studyInstanceUID: '1.2',
      seriesInstanceUID: '1.2.3',
      sopInstanceUID: '1.2.3.4',
      callingAET: '$(touch pwned)',
      calledAET: 'STORESTOW',
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
  });

  it('reads a large file without keeping it, and notices where it is cut', async () => {
    const bytes = buildImage({ rows: 3000, columns: 3000, bitsAllocated: 16, pixels: new Uint8Array(18_000_000).fill(7) });
    const arrival = await readArrival(await file(bytes));
    expect(arrival).toMatchObject({
      studyInstanceUID: '1.2.826.0.1.3680043.10.1.1',
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
    expect(arrival.bytes).toBeUndefined();
    const part = 8 * 1024 * 1024;
    const parts = [bytes.subarray(0, part), bytes.subarray(part, 2 * part), bytes.subarray(2 * part)];
    expect(arrival.parts).toEqual(parts.map((each) => createHash('sha256').update(each).digest('hex')));
    await expect(readArrival(await file(bytes.subarray(0, -1)))).rejects.toMatchObject({ code: 'TRUNCATED' });
  });

  it('says of an image, in memory or larger, whether its pixels are there', async () => {
    const pixels = new Uint8Array(18_000_000);
    expect(await readArrival(await file(buildImage()))).toMatchObject({ pixelless: false });
    expect(await readArrival(await file(buildImage({ pixels })))).toMatchObject({ pixelless: false });
    const cut = imageElements().filter(({ tag }) => tag !== 0x7fe00010);
    expect(await readArrival(await file(buildDicom({ elements: cut })))).toMatchObject({ pixelless: true });
    const large = [...cut, { tag: 0x60003000, vr: 'OW', value: pixels }];
    expect(await readArrival(await file(buildDicom({ elements: large })))).toMatchObject({ pixelless: true });
  });

  it.each([
    ['implicit', IMPLICIT_LE],
    ['deflated', DEFLATED_LE],
  ])('reads %s files', async (_, transferSyntaxUID) => {
    const bytes = buildImage({ transferSyntaxUID, studyUID: '1.2.5' });
    const arrival = await readArrival(await file(bytes));
    expect(arrival.studyInstanceUID).toBe('1.2.5');
    expect(arrival).not.toHaveProperty('callingAET');
  });

  it.skipIf(noProc)('holds little of a deflated file that inflates to a thousand times its size', async () => {
    const bytes = buildImage({
      transferSyntaxUID: DEFLATED_LE,
      rows: 10_000,
      columns: 10_000,
      pixels: new Uint8Array(200_000_000),
    });
    expect(bytes.length).toBeLessThan(300_000);
    const module = new URL('../../../local-uploader/arrival/read-arrival.ts', import.meta.url);
    const script = `import { readFileSync } from 'node:fs';
      const { readArrival } = await import('${module.href}');
      const { pixelless, sopInstanceUID } = await readArrival(process.argv[1]);
      const [, kilobytes] = /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'));
      console.log(JSON.stringify({ pixelless, sopInstanceUID, kilobytes: Number(kilobytes) }));`;
    const told = execFileSync(process.execPath, ['--input-type=module', '-e', script, await file(bytes)], { encoding: 'utf8' });
    const { kilobytes, ...read } = JSON.parse(told) as { kilobytes: number };
    expect(read).toEqual({ pixelless: false, sopInstanceUID: (await readArrival(path('file'))).sopInstanceUID });
    // Node itself takes 80 MB and more; of the pixels there are 200.
    expect(kilobytes).toBeLessThan(200_000);
  });

  it.each([
    ['a deflated file that is cut', (file: Uint8Array) => file.subarray(0, -200), 'TRUNCATED'],
    ['a deflated file with something behind it', (file: Uint8Array) => Buffer.concat([file, Buffer.from('more')]), 'MALFORMED'],
  ])('%s', async (_, damage, code) => {
    const whole = buildImage({ transferSyntaxUID: DEFLATED_LE, pixels: seededBytes(512, 1) });
    await expect(readArrival(await file(damage(whole)))).rejects.toMatchObject({ code });
  });

  it('takes UIDs that are none as they are: the functions quarantine what they mean', async () => {
    expect(await readArrival(await file(buildImage({ studyUID: '../$(x)' })))).toMatchObject({ studyInstanceUID: '../$(x)' });
  });

  it.each([
    ['a study', { studyUID: '1'.repeat(201) }, 'INVALID_UID'],
    ['an instance', { sopUID: '/'.repeat(67) }, 'INVALID_UID'],
    ['a study', { studyUID: '1'.repeat(200) }, undefined],
  ])('%s of a UID that no key has room for is damaged: %j', async (_, uids, code) => {
    const outcome = await readArrival(await file(buildImage(uids))).catch((error: unknown) => error);
    expect((outcome as { readonly code?: string }).code).toBe(code);
  });

  it.each([0x00020016, 0x00020018])('a title that neither a key nor metadata has room for is damaged: %i', async (tag) => {
    const meta = [{ tag, vr: 'AE', value: 'A'.repeat(202) }];
    const bytes = buildDicom({ elements: imageElements(), meta });
    await expect(readArrival(await file(bytes))).rejects.toMatchObject({ code: 'MALFORMED' });
  });

  it.each([
    ['no DICOM', new TextEncoder().encode('report for printing'), 'NOT_PART10'],
    ['an empty file', new Uint8Array(), 'NOT_PART10'],
    ['a file cut in its pixels', buildImage().subarray(0, -100), 'TRUNCATED'],
    ['no study', buildDicom({ elements: imageElements().filter(({ tag }) => tag !== 0x0020000d) }), 'MISSING_UID'],
  ])('%s: %s', async (_, bytes, code) => {
    await expect(readArrival(await file(bytes))).rejects.toMatchObject({ code });
  });

  it('follows no symbolic link, waits for no pipe, takes no folder', async () => {
    await file(buildImage(), 'target');
    await symlink(path('target'), path('link'));
    execFileSync('mkfifo', [path('pipe')]);
    await mkdir(path('folder'));
    for (const name of ['link', 'pipe', 'folder'])
      await expect(readArrival(path(name))).rejects.toMatchObject({ code: 'SPOOL_INVALID' });
    await expect(readArrival(path('gone'))).rejects.toMatchObject({ code: 'FILE_CHANGED' });
  });
});
