/** Carries out what installing or uninstalling was planned to be. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { StorestowError } from '../../core/errors.ts';
import { isOurs, type InstallStep } from './service-file.ts';

const run = promisify(execFile);

/** Milliseconds between two tries. */
const TRY_AGAIN_AFTER = 500;

/** A place where files of ours may lie, and which of its files can be ones. */
export interface InstallPlace {
  readonly folder: string;
  readonly mayHold: (file: string) => boolean;
}

/** Files that were written for `name`, paths below `root` as the system there sees them. What else has such a name stays unlisted. */
export async function installedFiles(places: readonly InstallPlace[], name: string, root = ''): Promise<string[]> {
  const found: string[] = [];
  for (const { folder, mayHold } of places) {
    for (const file of await readdir(join(root, folder)).catch(nothingThere)) {
      const path = join(folder, file);
      if (mayHold(file) && isOurs(await readFile(join(root, path), 'utf8'), name)) found.push(path);
    }
  }
  return found.sort();
}

/** One after the other, each told before it is done. Throws `PROCESS_FAILED` where a command fails that must not, `USAGE` without the rights. */
export async function carryOut(steps: readonly InstallStep[], say: (line: string) => void, root = ''): Promise<void> {
  for (const step of steps) {
    say(stepText(step));
    if (step.kind === 'run') await runCommand(step);
    else if (step.kind === 'remove') await permitted(step.path, () => rm(join(root, step.path), { force: true }));
    else await permitted(step.path, () => writeWhole(join(root, step.path), step.text));
  }
}

export function stepText(step: InstallStep): string {
  return step.kind === 'run' ? `run ${step.command.map(shown).join(' ')}` : `${step.kind} ${shown(step.path)}`;
}

/** A word of a command as a person can read it. */
export function shown(word: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word);
}

async function runCommand({ command, mayFail = false, triedFor = 0 }: Extract<InstallStep, { kind: 'run' }>): Promise<void> {
  const [program = '', ...args] = command;
  try {
    await tryFor(triedFor * 1000, async () => run(program, args));
  } catch (cause) {
    if (mayFail) return;
    const { stderr = '' } = cause as { readonly stderr?: string };
    throw new StorestowError(
      'PROCESS_FAILED',
      `${[program, ...args].map(shown).join(' ')} failed: ${stderr.trim() || 'it said nothing'}`,
      {
        object: program,
        cause,
        retryable: false,
      },
    );
  }
}

/** A command that ended with a code; one that cannot be run at all is not there later either. */
async function tryFor(time: number, work: () => Promise<unknown>): Promise<void> {
  for (const until = performance.now() + time; ;) {
    try {
      await work();
      return;
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (typeof code !== 'number' || performance.now() >= until) throw error;
    }
    await delay(TRY_AGAIN_AFTER);
  }
}

/** Whoever reads the folder at any moment finds the old text or the new one. */
async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const partial = join(dirname(path), `.${basename(path)}.new`);
  await writeFile(partial, text, { mode: 0o644 });
  await rename(partial, path);
}

async function permitted(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw cause;
    throw new StorestowError('USAGE', `${path} may not be written; run this as root (sudo)`, { object: path, cause });
  }
}

function nothingThere(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
