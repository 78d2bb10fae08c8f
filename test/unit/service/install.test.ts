/** How the steps of an installation are carried out. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { carryOut } from '../../../local-cloud/service/install.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('a command', () => {
  let tries: string;
  /** Refuses, as launchctl does while a job of the label still ends, until it was tried so often. */
  const refusing = (times: number): string[] => ['sh', '-c', `echo >> "$0"; test $(wc -l < "$0") -gt ${times} || exit 37`, tries];
  const tried = async (): Promise<number> => (await readFile(tries, 'utf8')).length;

  beforeEach(async () => {
    const folder = await temporaryFolder('install');
    onTestFinished(() => folder.remove());
    tries = join(folder.path, 'tries');
  });

  it('is tried again where its step says so, until it is done', async () => {
    const said: string[] = [];
    await carryOut([{ kind: 'run', command: refusing(2), triedFor: 60 }], (line) => said.push(line));
    expect(await tried()).toBe(3);
    expect(said).toHaveLength(1);
  });

  it('is tried again for no longer than that, and then it is told', async () => {
    const step = { kind: 'run', command: refusing(1_000_000), triedFor: 0.1 } as const;
    await expect(carryOut([step], () => undefined)).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
  });

  it('is tried once where its step says nothing of it', async () => {
    const step = { kind: 'run', command: refusing(1) } as const;
    await expect(carryOut([step], () => undefined)).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
    expect(await tried()).toBe(1);
  });

  it('that is not there is not waited for', async () => {
    const step = { kind: 'run', command: [join(tries, 'nowhere')], triedFor: 3600 } as const;
    await expect(carryOut([step], () => undefined)).rejects.toMatchObject({ code: 'PROCESS_FAILED' });
  });
});
