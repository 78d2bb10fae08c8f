/** Structured logs (pino), JSON lines on stderr unless told otherwise. Patient attributes and secrets are redacted by name. */
import { pino, destination, stdSerializers, type Logger } from 'pino';
import { StorestowError } from './errors.ts';

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
}

export function createLog({ level = 'info', name = 'storestow', to = 2 }: LogOptions = {}): Log {
  return pino(
    {
      name,
      level,
      base: { pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      serializers: { err: serializeError, error: serializeError },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
    },
    destination({ dest: to, sync: true }),
  );
}
