/** What systemd itself reads in a unit, asked of it without a running one: `systemd --test` loads units, prints them and ends. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SYSTEMD = '/lib/systemd/systemd';
/** systemd does not run `--test` as root, so a user is put on whom nothing belongs to. */
const NOBODY = '65534';

export const systemdAvailable: boolean =
  existsSync(SYSTEMD) &&
  process.getuid?.() === 0 &&
  ['systemd-analyze', 'systemd-sysusers', 'systemd-tmpfiles', 'setpriv'].every(
    (program) => spawnSync(program, ['--version']).status === 0,
  );

/** The arguments that systemd would start the service with. `folder` has the units; `scratch` may be written by anyone. */
export async function commandLineOf(unit: string, folder: string, scratch: string): Promise<string[]> {
  await mkdir(scratch, { recursive: true });
  await chmod(scratch, 0o777);
  const { stdout } = await run(
    'setpriv',
    [`--reuid=${NOBODY}`, '--clear-groups', SYSTEMD, '--test', '--user', `--unit=${unit}`],
    {
      maxBuffer: 64 * 1024 * 1024,
      env: {
        ...process.env,
        HOME: scratch,
        XDG_RUNTIME_DIR: scratch,
        SYSTEMD_LOG_TARGET: 'console',
        SYSTEMD_UNIT_PATH: `${folder}:/usr/lib/systemd/user`,
      },
    },
  );
  const description = stdout.slice(stdout.indexOf(`-> Unit ${unit}:`));
  const line = /^\s*Command Line: (.*)$/m.exec(description)?.[1] ?? '';
  // It is printed as a shell would take it, before `$$` has become `$`.
  const words = await run('sh', ['-c', `printf '%s\\0' ${line}`]);
  return words.stdout.split('\0').slice(0, -1).map(expanded);
}

/** As systemd does when it starts the program, systemd.service(5) "Command lines"; no variable has a value here. */
function expanded(word: string): string {
  return word.replaceAll(/\$\$|\$\{\w+\}/g, (found) => (found === '$$' ? '$' : ''));
}

/** What `systemd-analyze verify` has to say of units; nothing where all is well. */
export function verifyUnits(folder: string, units: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(
    'systemd-analyze',
    ['verify', '--man=no', ...units.map((unit) => join(folder, unit))],
    {
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
    },
  );
  return { status, said: `${stdout}${stderr}`.trim() };
}
