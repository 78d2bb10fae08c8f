/** Residents that are killed, or whose bucket is away, between what they took of an exec and its upload: nothing is lost, nothing twice. */
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { buildImage } from '../support/build-dicom.ts';
import { freePort } from '../support/free-port.ts';
import { runStorestow, startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const LEFT = 'left to the resident uploader\n';
const ROUNDS = 20;

describe('what a resident uploader took', () => {
  let folder: TemporaryFolder;
  let residents: RunningStorestow[] = [];

  beforeEach(async () => {
    folder = await temporaryFolder('handover');
    for (const name of ['receiving', 'received']) await mkdir(at('spool', name), { recursive: true });
    residents = [];
  });
  afterEach(async () => {
    for (const resident of residents) await resident.stop('SIGKILL');
    await folder.remove();
  });

  const at = (...names: string[]): string => join(folder.path, ...names);
  const bucket = (): string[] => ['--bucket', `folder:${at('bucket')}`];
  const everything = (): string[] => ['upload', '--all', '--spool', at('spool'), ...bucket()];

  function stay(to: readonly string[]): RunningStorestow {
    const resident = startStorestow(['upload', '--watch', '--spool', at('spool'), ...to]);
    residents.push(resident);
    return resident;
  }

  async function untilListening(): Promise<void> {
    await waitUntil('a resident uploader listens', async () => (await readdir(at('spool', '.storestow'))).includes('resident'));
  }

  /** SOP Instance UID and calling address of all that is in the bucket, each as often as it is there. */
  async function stored(): Promise<string[]> {
    const store = await openFolderStore(at('bucket'));
    try {
      const found: string[] = [];
      for await (const { key } of store.list({ prefix: 'incoming/' })) {
        const { sopInstanceUID, callingIP } = parseObjectKey(key) ?? expect.fail(key);
        found.push(`${sopInstanceUID} from ${callingIP}`);
      }
      return found.sort();
    } finally {
      await store.close();
    }
  }

  /** As storescp and its exec do: written aside, then moved in one step. */
  async function receive(number: number): Promise<void> {
    await writeFile(at('spool', 'receiving', String(number)), buildImage({ sopUID: `1.2.3.${number}` }));
    await mkdir(at('spool', 'received', '10.0.0.1'), { recursive: true });
    await rename(at('spool', 'receiving', String(number)), at('spool', 'received', '10.0.0.1', String(number)));
  }

  it.each(['--all', 'again'])(
    'of a study keeps its sender when the bucket is away, it is killed, and another one comes (%s)',
    async (how) => {
      const away = ['--bucket', `http://key:secret@127.0.0.1:${await freePort()}/bucket`];
      const resident = stay(away);
      await untilListening();
      await mkdir(at('spool', 'study_1'));
      await writeFile(at('spool', 'study_1', 'a'), buildImage({ sopUID: '1.2.3.1' }));
      const exec = await runStorestow(['upload', at('spool', 'study_1'), '--calling-ip', '10.0.0.7', ...away]);
      expect(exec).toMatchObject({ code: 0, stdout: LEFT });
      await resident.stop('SIGKILL');
      if (how === 'again') {
        // The exec of the same study fails on its own, too.
        const failed = await runStorestow(['upload', at('spool', 'study_1'), '--calling-ip', '10.0.0.7', ...away]);
        expect(failed.code).toBe(75);
      }
      expect((await runStorestow(everything())).stdout).toMatch(/^1 uploaded/);
      expect(await stored()).toEqual(['1.2.3.1 from 10.0.0.7']);
    },
  );

  it('of a study that stays has one sender, and one object, however often the spool is looked through', async () => {
    await mkdir(at('spool', 'study_1'), { recursive: true });
    await writeFile(at('spool', 'study_1', 'a'), buildImage({ sopUID: '1.2.3.1' }));
    const keep = ['--after', 'keep', ...bucket()];
    expect((await runStorestow(['upload', at('spool', 'study_1'), '--calling-ip', '10.0.0.7', ...keep])).stdout).toMatch(/^1 up/);
    expect((await runStorestow(['upload', '--all', '--spool', at('spool'), ...keep])).stdout).toMatch(/^0 uploaded, 1 there/);
    stay(keep);
    await untilListening();
    expect((await runStorestow(['upload', '--all', '--spool', at('spool'), ...keep])).stdout).toBe(LEFT);
    await receive(2);
    await waitUntil('a later round is over', async () => (await stored()).length === 2);
    expect(await stored()).toEqual(['1.2.3.1 from 10.0.0.7', '1.2.3.2 from 10.0.0.1']);
  });

  it(`comes to the bucket once, though of two residents one is killed in each of ${ROUNDS} rounds`, async () => {
    let [first, second] = [stay(bucket()), stay(bucket())];
    await untilListening();
    const said = new Set<string>();
    for (let round = 1; round <= ROUNDS; round++) {
      await receive(round);
      const exec = runStorestow(everything());
      // Sooner and later within the time that the exec takes.
      if (round % 4 > 0) await new Promise((resolve) => setTimeout(resolve, (round % 4) * 40));
      const killed = first;
      [first, second] = [second, stay(bucket())];
      const [{ code, stdout }] = await Promise.all([exec, killed.stop('SIGKILL')]);
      expect(code).toBe(0);
      said.add(stdout.replace(/^\d+ uploaded.*\n/, 'itself'));
    }
    expect([...said]).toContain(LEFT);
    await second.stop();
    await first.stop();
    await runStorestow(everything());
    expect(await stored()).toEqual(Array.from({ length: ROUNDS }, (_, index) => `1.2.3.${index + 1} from 10.0.0.1`).sort());
    expect(await readdir(at('spool', 'received', '10.0.0.1'))).toEqual([]);
  });
});
