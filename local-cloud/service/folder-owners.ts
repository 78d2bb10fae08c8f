/**
 * Folders of a plan that are somebody else's. Installing makes each folder the service's user's, for nobody else to enter (0700), by
 * systemd-tmpfiles or install(1), and systemd does so again at each start of the machine: also a folder that has long been there.
 *
 * | the folder                | belongs to                    | installing            |
 * |---------------------------|-------------------------------|-----------------------|
 * | is not there, or is empty | anybody                       | makes or takes it     |
 * | holds something           | the service's user            | leaves it to the user |
 * | holds something           | another, or no user is there  | is refused            |
 */
import { execFile } from 'node:child_process';
import { opendir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { shown } from './install.ts';
import type { ServicePlan } from './service-plan.ts';

const run = promisify(execFile);

export interface FoundFolder {
  /** Its user's number. */
  readonly owner: number;
  readonly holdsSomething: boolean;
}

/** `uid`: of the service's user, where that is there yet. */
export function isOfAnother({ owner, holdsSomething }: FoundFolder, uid: number | undefined): boolean {
  return holdsSomething && owner !== uid;
}

/** A sentence for each: whose it is and what to do. `root` is the tree of another system, with users of its own. */
export async function foldersOfOthers({ folders, user }: Pick<ServicePlan, 'folders' | 'user'>, root = ''): Promise<string[]> {
  const users = root === '' ? USERS : await usersOf(root);
  const uid = await users.numberOf(user);
  const sentences: string[] = [];
  for (const folder of new Set(folders)) {
    const path = join(root, folder);
    const found = await lookAt(path);
    if (found === undefined || !isOfAnother(found, uid)) continue;
    const owner = (await users.nameOf(found.owner)) ?? `the user of number ${found.owner}`;
    const makeUser = uid === undefined ? `make the user ${user} and ` : '';
    // Names of the other system are not those of this one.
    const newOwner = root === '' || uid === undefined ? user : uid;
    sentences.push(
      `${shown(path)} holds something and belongs to ${owner}; as a service's folder it would be closed to all but ${user}. Name a ` +
        `folder that is the service's alone; if this one is, ${makeUser}run chown -R ${newOwner} ${shown(path)} first`,
    );
  }
  return sentences;
}

/** What this user may not look at, root may, who installs. */
async function lookAt(path: string): Promise<FoundFolder | undefined> {
  try {
    const { uid: owner } = await stat(path);
    return { owner, holdsSomething: await holdsSomething(path) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return undefined;
    throw error;
  }
}

/** Beside what a disk of its own has from the start. */
async function holdsSomething(path: string): Promise<boolean> {
  for await (const { name } of await opendir(path)) if (name !== 'lost+found') return true;
  return false;
}

interface Users {
  numberOf(name: string): Promise<number | undefined>;
  nameOf(number: number): Promise<string | undefined>;
}

/** Of this machine, from wherever it has them. */
const USERS: Users = {
  numberOf: async (name) => {
    const answer = await ask(['-u', name]);
    return answer === undefined ? undefined : Number(answer);
  },
  nameOf: async (number) => ask(['-un', String(number)]),
};

async function ask(args: readonly string[]): Promise<string | undefined> {
  const answer = await run('id', args).catch(() => undefined);
  return answer?.stdout.trim();
}

/** passwd(5). */
async function usersOf(root: string): Promise<Users> {
  const text = await readFile(join(root, 'etc/passwd'), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const users = text.split('\n').flatMap((line) => {
    const [name, , number = ''] = line.split(':');
    return name !== undefined && /^\d+$/.test(number) ? [{ name, number: Number(number) }] : [];
  });
  return {
    numberOf: async (name) => users.find((user) => user.name === name)?.number,
    nameOf: async (number) => users.find((user) => user.number === number)?.name,
  };
}
