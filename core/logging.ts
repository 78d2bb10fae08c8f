/** Structured logs (pino), JSON lines on stderr unless told otherwise. Patient attributes and secrets are redacted by name. */
import { pino, destination, stdSerializers, type DestinationStream, type Logger } from 'pino';
import { StorestowError } from './errors.ts';
import { isJournal, journalPrefix, severityOf, Syslog, type Severity } from './syslog.ts';

export type Log = Logger;

const REDACTED = [
  'PatientName',
  'PatientID',
  'PatientBirthDate',
  'password',
  'token',
  'clientSecret',
  'passphrase',
  'access_token',
  'client_secret',
  'secretAccessKey',
  'authorization',
];

/** Name, code, object and stack of an error and its causes; a cause from outside may quote input, so its message stays out. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof StorestowError)) return stdSerializers.err(error as Error);
  const { code, retryable, object, offset, message, cause } = error;
  return {
    code,
    retryable,
    object,
    offset,
    message,
    ...(cause instanceof StorestowError ? { cause: serializeError(cause) } : {}),
    ...(cause instanceof Error && !(cause instanceof StorestowError)
      ? { cause: { type: cause.name, stack: frames(cause) } }
      : {}),
  };
}

function frames(error: Error): string {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .join('\n');
}

export interface LogOptions {
  /** `trace` … `fatal`, or `silent`. Default `info`. */
  readonly level?: string;
  /** Which part of storestow speaks. */
  readonly name?: string;
  /** File descriptor or path; default 2 (stderr). */
  readonly to?: number | string;
  /** To the system's log too; or the path of its socket. */
  readonly syslog?: boolean | string | undefined;
}

export function createLog({ level = 'info', name = 'storestow', to = 2, syslog = false }: LogOptions = {}): Log {
  return pino(
    {
      name,
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      serializers: { err: serializeError, error: serializeError },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
    },
    destinationOf(name, to, syslog),
  );
}

/** Where it says what severity a line has, the line's level must be known: pino tells it a destination that asks for it so. */
const WITH_LEVEL = Symbol.for('pino.metadata');

/** Characters of lines that could not be written yet; those beyond are lost. */
const MOST_HELD = 1024 * 1024;

function destinationOf(name: string, to: number | string, syslog: boolean | string): DestinationStream {
  const journal = typeof to === 'number' && isJournal(to, process.env['JOURNAL_STREAM']);
  const own = destination({ dest: to, sync: true, maxLength: MOST_HELD });
  // What a disk that is full does not take now is written when it does, and is no reason to end: the uploader may be what makes room.
  own.on('error', () => undefined);
  const write = (severity: Severity, line: string): void => {
    own.write(journal ? `${journalPrefix(severity)}${line}` : line);
  };
  const socket = typeof syslog === 'string' ? syslog : undefined;
  // The journal is the system's log: a line need not come to it twice.
  const second = socket === undefined && (syslog === false || journal) ? undefined : openSyslog(name, socket, write);
  if (!journal && second === undefined) return own;
  return {
    [WITH_LEVEL]: true,
    lastLevel: 0,
    write(line: string) {
      const severity = severityOf(this.lastLevel);
      write(severity, line);
      second?.write(severity, line);
    },
  } as DestinationStream & { lastLevel: number };
}

function openSyslog(name: string, socket: string | undefined, write: (severity: Severity, line: string) => void): Syslog {
  const tag = name.startsWith('storestow') ? name : `storestow-${name}`;
  return new Syslog({ tag, socket }, () => {
    const msg = "logger cannot write to the system's log; what does not come there stands here alone";
    write('warning', `${JSON.stringify({ level: 40, time: new Date().toISOString(), name, msg })}\n`);
  });
}
