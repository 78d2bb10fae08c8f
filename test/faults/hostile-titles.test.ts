/** storescp hands what a peer sends to a shell where its exec line says so. Here no title runs anything, and each study arrives. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runAudit, settledAudit } from '../support/audit-process.ts';
import { writeCtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { requirePeer } from '../support/peers.ts';
import { startStorestow, type RunningStorestow } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const skip = requirePeer('DCMTK', existsSync('/usr/bin/storescp') && existsSync('/usr/bin/storescu'));

/** At most 16 characters, as a title may have. */
const TITLES = ['$(touch pwned)', "';touch pwned;'", "';id;'", '`touch pwned`', '"|touch pwned|"', '../../pwned', '%2e%2e#a#p'];

describe.skipIf(skip)('calling AE titles that a shell would run', () => {
  let folder: TemporaryFolder;
  let data: string;
  let port: number;
  let up: RunningStorestow;

  beforeAll(async () => {
    folder = await temporaryFolder('hostile-titles');
    data = join(folder.path, 'data');
    port = await freePort();
    const cwd = join(folder.path, 'cwd');
    await mkdir(cwd);
    // What storescp and its exec print is logged at this level.
    up = startStorestow(['up', '--data', data, '--port', String(port), '--log-level', 'info'], { cwd });
    await up.waitFor(/running/);
  });

  afterAll(async () => {
    await up?.stop();
    await folder?.remove();
  });

  it.each(TITLES.map((title, index) => ({ title, index })))('$title arrives as a title', async ({ title, index }) => {
    const sent = join(folder.path, `study-${index}`);
    const study = await writeCtStudy(sent, 2, `1.2.826.0.1.3680043.10.5.${index + 1}`);
    await run('storescu', ['-aet', title, '-aec', 'STORESTOW', '127.0.0.1', String(port), '+sd', sent]);
    const entries = await waitUntil('the study arrives', () => settledAudit(data, study.studyInstanceUID, 2));
    for (const entry of entries) {
      expect(entry).toMatchObject({ status: 'stowed', callingAET: title });
      const [, site, source] = entry.key.split('/');
      expect(site).toBe('default');
      // Percent-encoded: nothing in a key means anything to a shell, a file system or a URL.
      expect(source).toMatch(/^[A-Za-z0-9._%-]+@127\.0\.0\.1$/);
      expect(decodeURIComponent(source ?? '')).toBe(`${title}@127.0.0.1`);
    }
  });

  it('finds each by its title', async () => {
    for (const title of TITLES) expect(await runAudit(data, ['--calling-aet', title]), title).toHaveLength(2);
  });

  it('ran no command', async () => {
    const everywhere = [folder.path, process.cwd(), homedir()];
    for (const place of everywhere) expect(await traces(place, place === folder.path), place).toEqual([]);
    const { stdout, stderr } = up.output();
    expect(`${stdout}${stderr}`).not.toMatch(/uid=\d+/);
  });
});

/** What a command that ran would have left. Keys of objects have the titles in them, percent-encoded, and are not meant. */
async function traces(folder: string, recursive: boolean): Promise<readonly string[]> {
  return (await readdir(folder, { recursive })).filter((path) => /(^|\/)pwned$/.test(path));
}
