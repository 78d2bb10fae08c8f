/** A line that a process started here printed → the log: log lines as what they are, anything else as text. */
import type { Log } from '../core/logging.ts';

/** Characters of a line that are kept. */
const MAX_LENGTH = 4096;

/** https://getpino.io/#/docs/api?id=loggerlevels-object */
const LEVELS = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' } as const;

/** `name`: what the process is, for the log. */
export function relayLine(log: Log, line: string, name: string): void {
  if (line.trim() === '') return;
  const entry = parseEntry(line);
  if (entry === undefined) log.warn({ line: line.slice(0, MAX_LENGTH) }, `${name} printed`);
  else log[entry.level](entry.fields, entry.message);
}

interface Entry {
  readonly level: (typeof LEVELS)[keyof typeof LEVELS];
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

function parseEntry(line: string): Entry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { level, msg, pid, ...rest } = value as Record<string, unknown>;
  // Time, name and pid of this process's own line stand beside it; no name may come twice in an object, RFC 8259 4.
  const others = Object.entries(rest).filter(([key]) => key !== 'time' && key !== 'name');
  const fields = { ...(pid === undefined ? {} : { childPid: pid }), ...Object.fromEntries(others) };
  const known = LEVELS[level as keyof typeof LEVELS] as Entry['level'] | undefined;
  return known === undefined ? undefined : { level: known, fields, message: typeof msg === 'string' ? msg : '' };
}
