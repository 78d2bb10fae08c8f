/** Processes that a process started, directly or through others, as `ps` lists them. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface ListedProcess {
  readonly pid: number;
  readonly command: string;
}

export async function descendantsOf(pid: number): Promise<readonly ListedProcess[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=,stat=,command=']);
  const all = stdout.split('\n').flatMap((line) => {
    const [, own, parent, state = '', command = ''] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    // A zombie is no process any more; only its exit code waits to be collected.
    return own === undefined || state.startsWith('Z') ? [] : [{ pid: Number(own), parent: Number(parent), command }];
  });
  const below = (ancestor: number): ListedProcess[] =>
    all.filter(({ parent }) => parent === ancestor).flatMap((child) => [child, ...below(child.pid)]);
  return below(pid);
}

/** Whether it runs; a zombie does not. */
export async function isRunning(pid: number): Promise<boolean> {
  const { stdout } = await run('ps', ['-o', 'stat=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z');
}
