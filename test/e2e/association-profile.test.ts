/** What storescp negotiates by `receiver/storescp.cfg`, with DCMTK's own senders: nothing is compressed for us, nothing lost unsaid. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { identify } from '../../core/dicom/identify.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { createLog } from '../../core/logging.ts';
import { startStorescp, type RunningStorescp } from '../../local-cloud/storescp.ts';
import { ASSOCIATION_PROFILES } from '../../local-cloud/storescp-command.ts';
import { buildDicom, buildImage, EXPLICIT_LE, imageElements, IMPLICIT_LE, JPEG_LOSSLESS } from '../support/build-dicom.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const VERIFICATION = '1.2.840.10008.1.1';
const COMPREHENSIVE_SR = '1.2.840.10008.5.1.4.1.1.88.33';
const ENHANCED_MR = '1.2.840.10008.5.1.4.1.1.4.1';
const JPEG_BASELINE = '1.2.840.10008.1.2.4.50';
const programs = ['storescp', 'storescu', 'echoscu', 'dcmcjpeg'];
const installed = programs.every((name) => spawnSync(name, ['--version']).status === 0);

describe.skipIf(requirePeer(`DCMTK's ${programs.join(', ')}`, installed))('the association profile', () => {
  let folder: TemporaryFolder;
  let receiver: RunningStorescp;

  beforeEach(async () => {
    folder = await temporaryFolder('association-profile');
    receiver = await startStorescp({
      port: 0,
      aet: 'STORESTOW',
      spool: join(folder.path, 'spool'),
      log: createLog({ level: 'silent' }),
    });
  });

  afterEach(async () => {
    await receiver.close();
    await folder.remove();
  });

  async function written(name: string, bytes: Uint8Array): Promise<string> {
    const path = join(folder.path, name);
    await writeFile(path, bytes);
    return path;
  }

  async function send(options: readonly string[], ...paths: readonly string[]): Promise<void> {
    await run('storescu', [...options, '127.0.0.1', String(receiver.port), ...paths]);
  }

  /** Proposes these classes, also such as storescu does not know, in Explicit VR Little Endian. */
  async function proposing(classes: readonly string[]): Promise<string[]> {
    const contexts = classes.map((uid, index) => `PresentationContext${index + 1} = ${uid}\\Explicit`);
    const profile = [
      '[[TransferSyntaxes]]',
      '[Explicit]',
      `TransferSyntax1 = ${EXPLICIT_LE}`,
      '[[PresentationContexts]]',
      '[Classes]',
      ...contexts,
      '[[Profiles]]',
      '[Sender]',
      'PresentationContexts = Classes',
    ];
    return ['--config-file', await written('sender.cfg', Buffer.from(`${profile.join('\n')}\n`)), 'Sender'];
  }

  /** The files that arrived, once there are `count`. */
  async function received(count: number): Promise<Buffer[]> {
    const path = join(folder.path, 'spool', 'received', '127.0.0.1');
    const names = await waitUntil(`${count} instances`, async () => {
      const found = await readdir(path).catch(() => []);
      return found.length === count && found;
    });
    return Promise.all(names.map((name) => readFile(join(path, name))));
  }

  async function onlyOne(): Promise<{ readonly syntax: string; readonly dataSet: string }> {
    const [file = Buffer.alloc(0)] = await received(1);
    return { syntax: readPart10(file).transferSyntax.uid, dataSet: dataSetOf(file) };
  }

  it.each([
    ['lossy JPEG of 8 bits', '-xy'],
    ['lossy JPEG of 12 bits', '-xx'],
    ['lossy JPEG 2000', '-xw'],
    ['lossless JPEG 2000', '-xv'],
    ['lossless JPEG', '-xs'],
    ['near-lossless JPEG-LS', '-xu'],
  ])('picks uncompressed where a context proposes %s as well; each byte arrives as it was', async (_, option) => {
    const image = buildImage({ bitsStored: 12 });
    await send(['+C', option], await written('ct.dcm', image));
    expect(await onlyOne()).toEqual({ syntax: EXPLICIT_LE, dataSet: dataSetOf(Buffer.from(image)) });
  });

  it.each([
    ['lossless JPEG', '+e1', '-xs', JPEG_LOSSLESS, 16],
    ['lossy JPEG', '+eb', '-xy', JPEG_BASELINE, 8],
  ])('takes an object that is in %s already', async (_, codec, option, syntax, bitsAllocated) => {
    const original = await written('original.dcm', buildImage({ bitsAllocated }));
    const compressed = join(folder.path, 'compressed.dcm');
    await run('dcmcjpeg', [codec, original, compressed]);
    await send([option], compressed);
    expect(await onlyOne()).toEqual({ syntax, dataSet: dataSetOf(await readFile(compressed)) });
  });

  it('takes Implicit VR Little Endian, which every sender may propose alone', async () => {
    const image = buildImage({ transferSyntaxUID: IMPLICIT_LE });
    await send(['-xi'], await written('ct.dcm', image));
    expect(await onlyOne()).toEqual({ syntax: IMPLICIT_LE, dataSet: dataSetOf(Buffer.from(image)) });
  });

  it('takes each class that it lists, structured reports and enhanced images among them', async () => {
    const text = await readFile(ASSOCIATION_PROFILES, 'utf8');
    const classes = [...text.matchAll(/^PresentationContext\d+ = ([0-9.]+)\\/gm)].map(([, uid]) => uid ?? '');
    const stored = classes.filter((uid) => uid !== VERIFICATION);
    expect(stored).toEqual(expect.arrayContaining([COMPREHENSIVE_SR, ENHANCED_MR]));
    const files = join(folder.path, 'one-of-each');
    await mkdir(files);
    for (const [index, sopClassUID] of stored.entries()) {
      // Without pixels: storescp does not look, and a report has none.
      const elements = imageElements({ sopClassUID, sopUID: `1.2.3.${index + 1}` }).filter(({ tag }) => tag >>> 16 < 0x28);
      await writeFile(join(files, `${index}.dcm`), buildDicom({ elements }));
    }
    await send([...(await proposing(stored)), '+sd'], files);
    const arrived = (await received(stored.length)).map((file) => identify(readPart10(file)).sopClassUID);
    expect(arrived.sort()).toEqual([...stored].sort());
  });

  it('refuses a class that it does not list, so that the sender knows', async () => {
    const path = await written('unknown.dcm', buildImage({ sopClassUID: '1.2.3.4.5' }));
    await expect(send(await proposing(['1.2.3.4.5']), path)).rejects.toMatchObject({
      code: expect.any(Number) as number,
      stderr: expect.stringMatching(/no acceptable presentation context/i) as string,
    });
    expect(await readdir(join(folder.path, 'spool', 'receiving'))).toEqual([]);
    expect(await readdir(join(folder.path, 'spool', 'received'))).toEqual([]);
  });

  it('answers C-ECHO', async () => {
    await expect(run('echoscu', ['127.0.0.1', String(receiver.port)])).resolves.toMatchObject({ stderr: '' });
  });
});

/** The bytes behind the file meta information, which starts with its own length (PS3.10 7.1). */
function dataSetOf(file: Buffer): string {
  return file.subarray(144 + file.readUInt32LE(140)).toString('latin1');
}
