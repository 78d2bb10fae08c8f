/** `storestow audit study`: uploader, bucket and archive as they are, then with something taken away from each. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFolderStore, type FolderStore } from '../../core/store/folder-store.ts';
import { parseObjectKey } from '../../core/store/object-key.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { writeCtStudy, type CtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { runStorestow, type Finished } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

interface Output {
  readonly agrees: boolean;
  readonly received: number;
  readonly bucket: number;
  readonly archive: number;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly problems: readonly { readonly code: string }[];
  readonly instances: readonly { readonly verdict: string; readonly sopInstanceUID: string }[];
}

describe('audit study', () => {
  let folder: TemporaryFolder;
  let archive: EmbeddedArchive;
  let study: CtStudy;
  let other: CtStudy;
  let store: FolderStore;
  let data: string;

  beforeAll(async () => {
    folder = await temporaryFolder('audit-study');
    data = join(folder.path, 'data');
    archive = await startEmbeddedArchive({ folder: join(folder.path, 'archive') });
    study = await writeCtStudy(join(folder.path, 'study'), 6, '1.2.826.0.1.3680043.10.71');
    other = await writeCtStudy(join(folder.path, 'other'), 2, '1.2.826.0.1.3680043.10.72');
    const up = await runStorestow(
      ['up', join(folder.path, 'study'), join(folder.path, 'other'), '--data', data, '--archive', archive.url],
      { cwd: folder.path },
    );
    expect(up.code, up.stderr).toBe(0);
    store = await openFolderStore(join(data, 'bucket'));
  }, 120_000);

  afterAll(async () => {
    await store?.close();
    await archive?.close();
    await folder?.remove();
  });

  const audit = async (uid: string, ...args: string[]): Promise<Finished> =>
    runStorestow(['audit', 'study', uid, '--data', data, '--archive', archive.url, ...args]);
  const json = async (uid: string): Promise<Output & { readonly code: number | null }> => {
    const { code, stdout } = await audit(uid, '--json');
    return { ...(JSON.parse(stdout) as Output), code };
  };
  const uid = (index: number): string => study.sopInstanceUIDs[index] ?? '';
  async function keyOf(sop: string): Promise<string> {
    for await (const { key } of store.list({ prefix: 'incoming/' })) if (parseObjectKey(key)?.sopInstanceUID === sop) return key;
    throw new Error(`no object of ${sop}`);
  }
  function forget(sop: string): void {
    const database = new DatabaseSync(join(folder.path, 'archive', 'archive.sqlite'));
    database.prepare('DELETE FROM instances WHERE sop = ?').run(sop);
    database.close();
  }

  it('ends with 0 where all three agree', async () => {
    const { code, stdout, stderr } = await audit(study.studyInstanceUID);
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: 'received 6 · bucket 6 · archive 6\n6 agrees\n',
      stderr: '',
    });
  });

  it('finds what is missing, wherever that is', async () => {
    await store.delete(await keyOf(uid(0)));
    forget(uid(1));
    await store.putTags(await keyOf(uid(2)), { status: 'quarantined/MALFORMED' });
    await store.putTags(await keyOf(uid(3)), {});
    await store.delete(await keyOf(uid(4)));
    forget(uid(4));
    const output = await json(study.studyInstanceUID);
    expect(output).toMatchObject({ code: 1, agrees: false, received: 6, bucket: 4, archive: 4, problems: [] });
    expect(output.instances.map(({ verdict, sopInstanceUID }) => [verdict, sopInstanceUID])).toEqual([
      ['lost', uid(4)],
      ['not-in-archive', uid(1)],
      ['set-aside', uid(2)],
      ['pending', uid(3)],
      ['not-in-bucket', uid(0)],
      ['agrees', uid(5)],
    ]);
    const { stdout } = await audit(study.studyInstanceUID);
    expect(stdout).toMatch(/lost +│ yes +│ - +│ - +│ 1\.2\.826\.0\.1\.3680043\.10\.71\.1\.5/);
    expect(stdout).toMatch(/set-aside +│ yes +│ quarantined\/MALFORMED +│ yes/);
    expect(stdout).not.toContain(uid(5));
  });

  it('counts as not received what no manifest names, and what stands in one that is none', async () => {
    const keys = (await Array.fromAsync(store.list({ prefix: 'manifests/' }))).map(({ key }) => key);
    const ofOther = keys.filter((key) => key.includes(other.studyInstanceUID));
    expect(ofOther).toHaveLength(1);
    await store.put(ofOther[0] ?? '', new TextEncoder().encode('{"version":1}'));
    const { code, stdout, stderr } = await audit(other.studyInstanceUID);
    expect(code).toBe(1);
    expect(stdout).toContain('received 0 · bucket 2 · archive 2\n2 not-in-manifest\n');
    expect(stderr).toBe(`MANIFEST_INVALID ${ofOther[0]}\n`);
  });

  it('calls nothing lost of which no archive was asked', async () => {
    const url = archive.url.replace('{aet}', '{institution}');
    const { code, stdout } = await runStorestow(['audit', 'study', study.studyInstanceUID, '--data', data, '--archive', url]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/archive-not-asked +│ yes +│ - +│ \? +│ 1\.2\.826\.0\.1\.3680043\.10\.71\.1\.5/);
    expect(stdout).toContain('archive-not-asked: the address (archive.url) needs what is not known');
    expect(stdout).not.toMatch(/lost/);
  });

  it('does not compare without the archive’s word, and says what it does not know', async () => {
    const url = `http://127.0.0.1:${String(await freePort())}/rs/studies`;
    const away = await runStorestow(['audit', 'study', study.studyInstanceUID, '--data', data, '--archive', url]);
    expect(away).toMatchObject({ code: 75, stdout: '', stderr: expect.stringContaining('ARCHIVE_UNAVAILABLE') as unknown });
    expect(await audit('1.2.3.4')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('knows the study 1.2.3.4') as unknown,
    });
    expect(await audit('../x')).toMatchObject({ code: 2, stderr: expect.stringContaining('digits and dots') as unknown });
    await writeFile(join(folder.path, 'bare.json'), '{}');
    const bare = await runStorestow(
      ['audit', 'study', study.studyInstanceUID, '--config', join(folder.path, 'bare.json'), '--bucket', `folder:${data}/bucket`],
      { cwd: folder.path },
    );
    expect(bare).toMatchObject({ code: 2, stderr: expect.stringContaining('names no archive') as unknown });
  });
});
