/**
 * The arguments of `storestow upload` → what a resident uploader may be asked to do in its stead:
 *
 * | arguments                                                                | asked for                            |
 * |--------------------------------------------------------------------------|--------------------------------------|
 * | `--all`, no folder                                                       | the whole spool                      |
 * | one folder                                                               | that folder                          |
 * | AET IP FOLDER STOW-URL MAPPING.plist, without `--direct`                 | FOLDER, sent by AET at IP            |
 * | both, neither, several folders                                           | nothing: the command does it, or refuses it |
 * | `--watch`, `--direct`, `--here`, any option that does not stand below    | nothing                              |
 *
 * What the options say goes along and is judged by the resident uploader, by the code that would judge it here. Nothing is loaded
 * for this that Node has not loaded already, or nearly so: it runs in every exec of storescp.
 */
import { basename, dirname, resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { StorestowError } from '../core/errors.ts';
import type { HandoverWord } from '../local-uploader/handover/handover-word.ts';
import { parseSeedArguments } from './seed-arguments.ts';
import { DEFAULT_DATA, spoolOf } from './spool-folder.ts';

const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;

/** Those that go along, and those that say what this process would log. */
const OPTIONS = {
  all: FLAG,
  spool: TEXT,
  'calling-ip': TEXT,
  'calling-aet': TEXT,
  after: TEXT,
  'move-to': TEXT,
  concurrency: TEXT,
  config: TEXT,
  bucket: TEXT,
  data: TEXT,
  'log-level': TEXT,
  syslog: FLAG,
  'no-syslog': FLAG,
} as const satisfies ParseArgsConfig['options'];

export interface Handover {
  /** Whose resident uploader is asked. */
  readonly spool: string;
  readonly word: HandoverWord;
}

/** `environment` is `STORESTOW_CONFIG`. `undefined`: the command runs as if there were no resident uploader. */
export function handoverOf(args: readonly string[], cwd: string, environment: string | undefined): Handover | undefined {
  const parsed = parse(args);
  if (parsed === undefined) return undefined;
  const { values, folder, seed } = parsed;
  const { all = false, data = DEFAULT_DATA } = values;
  if (all === (folder !== undefined)) return undefined;
  const path = folder === undefined ? undefined : resolve(cwd, folder);
  const word = {
    cwd,
    data,
    folder: path,
    config: values.config,
    environment,
    bucket: values.bucket,
    after: values.after,
    moveTo: values['move-to'],
    concurrency: values.concurrency,
    callingIP: seed?.callingIP ?? values['calling-ip'],
    callingAET: seed?.callingAET ?? values['calling-aet'],
  };
  // A field that is undefined is not in the line.
  return { spool: path === undefined ? spoolOf({ spool: values.spool, data }, cwd) : dirname(path), word: word as HandoverWord };
}

interface Parsed {
  readonly values: ReturnType<typeof parseStrictly>['values'];
  readonly folder: string | undefined;
  readonly seed: ReturnType<typeof parseSeedArguments>;
}

function parse(args: readonly string[]): Parsed | undefined {
  try {
    const { values, positionals } = parseStrictly(args);
    const seed = parseSeedArguments(positionals);
    if (positionals.length > 1 && seed === undefined) return undefined;
    const folder = seed?.studyFolder ?? positionals[0];
    return folder === '' || (folder !== undefined && basename(folder) === '') ? undefined : { values, folder, seed };
  } catch (error) {
    // The command says what is wrong with it.
    if (error instanceof StorestowError || isParseError(error)) return undefined;
    throw error;
  }
}

function parseStrictly(
  args: readonly string[],
): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true });
}

function isParseError(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}
