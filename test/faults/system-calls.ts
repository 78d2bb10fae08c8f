/**
 * A process run under strace, and what it asked of the file system: names, arguments and results of its system calls, in the order in
 * which they began and ended.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';

/** All that changes a file, a name, or what is on the disk of them; and what says which file a descriptor is. */
const TRACED = [
  ...['openat', 'open', 'creat', 'close', 'lseek', 'dup', 'dup2', 'dup3'],
  ...['write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'copy_file_range', 'sendfile', 'ioctl'],
  ...['truncate', 'ftruncate', 'fallocate'],
  ...['rename', 'renameat', 'renameat2', 'link', 'linkat', 'symlink', 'symlinkat', 'unlink', 'unlinkat'],
  ...['mkdir', 'mkdirat', 'rmdir'],
  ...['fsync', 'fdatasync', 'sync_file_range', 'msync', 'sync', 'syncfs'],
];

/** A string of the call's as its bytes, anything else as strace writes it. */
export type CallArgument = Buffer | string;

export interface SystemCall {
  readonly name: string;
  readonly args: readonly CallArgument[];
  /** Negative where it failed. */
  readonly result: number;
}

export interface CallEvent {
  readonly when: 'begins' | 'ends';
  readonly call: SystemCall;
}

export function isTracerInstalled(): boolean {
  return spawnSync('strace', ['-V'], { stdio: 'ignore' }).status === 0;
}

/** Whether strace may look at a process. */
export function canTrace(): boolean {
  return (
    spawnSync('strace', ['-f', '--seccomp-bpf', '-e', 'trace=close', process.execPath, '-e', '0'], { stdio: 'ignore' }).status ===
    0
  );
}

/** Runs Node with these arguments; resolves with its exit code and what it did, in order. */
export async function traced(
  args: readonly string[],
  log: string,
): Promise<{ readonly code: number; readonly events: CallEvent[] }> {
  const options = ['-f', '--seccomp-bpf', '-qq', '-xx', '-s', '16000000', '-o', log, '-e', `trace=${TRACED.join(',')}`];
  // What goes through io_uring is no system call.
  const env = { ...process.env, UV_USE_IO_URING: '0' };
  const child = spawn('strace', [...options, process.execPath, ...args], { stdio: ['ignore', 'ignore', 'inherit'], env });
  const [code] = (await once(child, 'close')) as [number];
  return { code, events: parseTrace(await readFile(log, 'latin1')) };
}

const UNFINISHED = ' <unfinished ...>';
const RESUMED = /^<\.\.\. \w+ resumed>/;
const CALL = /^(\w+)\((.*)\)\s+= (-?\d+|\?)/s;

export function parseTrace(log: string): CallEvent[] {
  const lines = log.split('\n').flatMap((line) => {
    const match = /^(\d+)\s+(.*)$/.exec(line);
    return match === null ? [] : [{ thread: match[1] ?? '', text: match[2] ?? '' }];
  });
  const events: CallEvent[] = [];
  const begun = new Map<string, { readonly text: string; readonly at: number }>();
  for (const { thread, text } of lines) {
    if (text.endsWith(UNFINISHED)) {
      begun.set(thread, { text: text.slice(0, -UNFINISHED.length), at: events.length });
      // Its result is known when it ends; its place is here.
      events.push({ when: 'begins', call: { name: '', args: [], result: -1 } });
      continue;
    }
    const first = RESUMED.test(text) ? begun.get(thread) : undefined;
    const call = parseCall((first?.text ?? '') + text.replace(RESUMED, ''));
    if (call === undefined) continue;
    if (first === undefined) events.push({ when: 'begins', call });
    else events[first.at] = { when: 'begins', call };
    events.push({ when: 'ends', call });
  }
  return events.filter(({ call }) => call.name !== '');
}

function parseCall(text: string): SystemCall | undefined {
  const match = CALL.exec(text);
  if (match === null) return undefined;
  const [, name = '', args = '', result = ''] = match;
  return { name, args: parseArguments(args), result: result === '?' ? -1 : Number(result) };
}

function parseArguments(text: string): CallArgument[] {
  const args: CallArgument[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at <= text.length; at++) {
    const character = text[at];
    if (character === '"') at = text.indexOf('"', at + 1);
    else if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    else if (character === undefined || (character === ',' && depth === 0)) {
      args.push(parseArgument(text.slice(start, at).trim()));
      start = at + 1;
    }
  }
  return args;
}

/** A string, or the vectors of `writev` joined. */
function parseArgument(text: string): CallArgument {
  if (!text.startsWith('"') && !text.startsWith('[{iov_base=')) return text;
  const strings = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
    Buffer.from(hex.replaceAll('\\x', ''), 'hex'),
  );
  return Buffer.concat(strings);
}
