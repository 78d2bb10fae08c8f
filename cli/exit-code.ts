/** Exit codes of every subcommand. 75 is EX_TEMPFAIL of sysexits.h: cron, systemd and storescp's caller may try again. */
import { asStorestowError } from '../core/errors.ts';

export const EXIT = { done: 0, failed: 1, usage: 2, temporary: 75 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Each subcommand's action says with what code to end. */
export type Finish = (code: number) => void;

const USAGE_CODES: ReadonlySet<string> = new Set(['CONFIG_INVALID', 'USAGE', 'RULES_INVALID', 'MAPPING_INVALID', 'PORT_IN_USE']);

/**
 * | error                              | exit code     |
 * |------------------------------------|---------------|
 * | usage, configuration, rules, port  | 2 usage       |
 * | retryable                          | 75 temporary  |
 * | any other                          | 1 failed      |
 */
export function exitCodeOf(thrown: unknown): ExitCode {
  const { code, retryable } = asStorestowError(thrown);
  if (USAGE_CODES.has(code)) return EXIT.usage;
  return retryable && code !== 'INTERNAL' ? EXIT.temporary : EXIT.failed;
}
