/**
 * Log lines for journald, rsyslog and Console.app. Node opens no datagram sockets of Unix, so lines go to the system's `logger`, one
 * process for each severity in use, which knows the socket of its system and the form that its daemon expects. Where standard error is
 * the journal already, a line only says its severity, sd-daemon(3).
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { fstatSync } from 'node:fs';
import type { Socket } from 'node:net';

export type Severity = 'crit' | 'err' | 'warning' | 'info' | 'debug';

/** RFC 5424 6.2.1. */
const NUMBERS: Readonly<Record<Severity, number>> = { crit: 2, err: 3, warning: 4, info: 6, debug: 7 };

/**
 * | level of pino           | severity |
 * |-------------------------|----------|
 * | 60 fatal and above      | crit     |
 * | 50 error                | err      |
 * | 40 warn                 | warning  |
 * | 30 info                 | info     |
 * | below                   | debug    |
 */
export function severityOf(level: number): Severity {
  if (level >= 60) return 'crit';
  if (level >= 50) return 'err';
  if (level >= 40) return 'warning';
  return level >= 30 ? 'info' : 'debug';
}

export function journalPrefix(severity: Severity): string {
  return `<${NUMBERS[severity]}>`;
}

/** Whether what is written to the descriptor goes to the journal: systemd names its socket in `JOURNAL_STREAM`, systemd.exec(5). */
export function isJournal(descriptor: number, journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(descriptor);
    return journalStream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

export interface SyslogOptions {
  /** Under which the lines are found. */
  readonly tag: string;
  /** Default: the system's, `/dev/log` on Linux. */
  readonly socket?: string | undefined;
  readonly platform?: NodeJS.Platform;
  /** Milliseconds, of any clock. */
  readonly now?: () => number;
}

/** util-linux would cut a line at 1 KiB; macOS's has no such option and no such bound. */
export function loggerCommand(severity: Severity, { tag, socket, platform = process.platform }: SyslogOptions): string[] {
  return [
    ...['logger', '-t', tag, '-p', `daemon.${severity}`],
    ...(platform === 'linux' ? ['--size', '32KiB'] : []),
    ...(socket === undefined ? [] : ['-u', socket]),
  ];
}

/** Milliseconds between a logger that ended and the next one for its lines. */
const AGAIN_AFTER = 60_000;
/** Bytes that may wait for a logger, which may hang. */
const MAX_WAITING = 100 * 1024;

export class Syslog {
  readonly #options: SyslogOptions;
  readonly #onUnavailable: () => void;
  readonly #loggers = new Map<Severity, ChildProcess>();
  readonly #endedAt = new Map<Severity, number>();
  #told = false;

  /** `onUnavailable` is called once, where there is no `logger`, it ended or it hangs; lines that it could not get are dropped here. */
  constructor(options: SyslogOptions, onUnavailable: () => void) {
    this.#options = options;
    this.#onUnavailable = onUnavailable;
  }

  /** A line with its line break. */
  write(severity: Severity, line: string): void {
    const logger = this.#loggers.get(severity) ?? this.#start(severity);
    const stdin = logger === undefined ? undefined : input(logger);
    if (stdin === null || stdin === undefined) return;
    if (stdin.writableLength > MAX_WAITING) this.#tell();
    else stdin.write(line);
  }

  /**
   * It ends by itself when this process ends, and keeps it from ending no longer than its lines take; in a session of its own, where no
   * Ctrl-C at this process's terminal ends it before the last line.
   */
  #start(severity: Severity): ChildProcess | undefined {
    const { now = Date.now } = this.#options;
    const endedAt = this.#endedAt.get(severity);
    // A clock that was set back does not put it off.
    if (endedAt !== undefined && Math.abs(now() - endedAt) < AGAIN_AFTER) return undefined;
    const [program = '', ...args] = loggerCommand(severity, this.#options);
    const logger = spawn(program, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    this.#loggers.set(severity, logger);
    const failed = (): void => {
      if (this.#loggers.get(severity) !== logger) return;
      this.#loggers.delete(severity);
      this.#endedAt.set(severity, now());
      this.#tell();
    };
    logger.once('error', failed);
    logger.once('exit', failed);
    input(logger)?.on('error', () => undefined);
    input(logger)?.unref();
    logger.unref();
    return logger;
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.#onUnavailable();
  }
}

/** Absent where the process could not be made for want of descriptors: Node has set up nothing then. */
function input({ stdin }: ChildProcess): Socket | null | undefined {
  return stdin as Socket | null | undefined;
}
