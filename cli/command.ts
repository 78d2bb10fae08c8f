/** The command line's library (commander), and what all subcommands share of it. */
import { Command, CommanderError, InvalidArgumentError, Option, type CommandUnknownOpts } from '@commander-js/extra-typings';
import { DEFAULT_DATA } from './spool-folder.ts';

export { Command, CommanderError, InvalidArgumentError, Option };
export type Subcommand = CommandUnknownOpts;

/** Numbered examples behind the help: each a line to run, and what it does. */
export function examples(...list: readonly (readonly [line: string, what: string])[]): string {
  const lines = list.map(([line, what], index) => `  ${index + 1}. ${what}\n       ${line}`);
  return `\nExamples:\n${lines.join('\n')}\n`;
}

export const EXIT_CODES_HELP =
  '\nExit codes: 0 all done · 1 some failed (listed) · 2 usage or configuration · 75 temporary, try again\n';

export function wholeNumber(unit: string, least = 0): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`expected a whole number of ${unit}, at least ${least}.`);
    }
    return value;
  };
}

export function configOption(): Option<'--config <file>', undefined, undefined, undefined, false, undefined> {
  return new Option('--config <file>', 'configuration, JSON (default: $STORESTOW_CONFIG)').helpGroup('Configuration:');
}

export function bucketOption(): Option<'--bucket <address>', undefined, undefined, undefined, false, undefined> {
  return new Option('--bucket <address>', 'folder:PATH, s3://NAME or http(s)://[KEY:SECRET@]HOST/NAME').helpGroup(
    'Configuration:',
  );
}

export function dataOption(): Option<'--data <folder>', undefined, string, undefined, false, undefined> {
  return new Option('--data <folder>', 'folder of storestow up; without a configuration, that of up there holds')
    .default(DEFAULT_DATA)
    .helpGroup('Configuration:');
}

export function logLevelOption(): Option<'--log-level <level>', undefined, undefined, undefined, false, undefined> {
  return new Option('--log-level <level>', 'trace, debug, info, warn, error or silent, as JSON lines on stderr').helpGroup(
    'Output:',
  );
}

/** Beside `--syslog`. */
export function noSyslogOption(): Option<'--no-syslog', undefined, undefined, undefined, false, undefined> {
  return new Option('--no-syslog', "logs not to the system's log, whatever log.syslog says").helpGroup('Output:');
}

export function syslogOption(): Option<'--syslog', undefined, undefined, undefined, false, undefined> {
  return new Option('--syslog', "logs to the system's log too, for journald and Console.app (default: log.syslog)").helpGroup(
    'Output:',
  );
}
