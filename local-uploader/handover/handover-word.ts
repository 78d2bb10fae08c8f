/**
 * What an exec of storescp says to the resident uploader: one line of JSON, that is, what it was told to do, as its command line and its
 * environment have it. The answer is one line too. Both ends are storestow; what comes over the socket is checked all the same.
 */
import { isAbsolute, join } from 'node:path';
import { stateFolder } from '../../core/spool-layout.ts';

export interface HandoverWord {
  /** Absolute: a study's folder. Absent: the whole spool. */
  readonly folder?: string;
  /** Absolute; what the paths below are relative to. */
  readonly cwd: string;
  readonly data: string;
  readonly config?: string;
  /** `STORESTOW_CONFIG` of the environment. */
  readonly environment?: string;
  readonly bucket?: string;
  readonly after?: string;
  readonly moveTo?: string;
  readonly concurrency?: string;
  readonly callingIP?: string;
  readonly callingAET?: string;
}

/** Whether each may be absent. */
const FIELDS: Readonly<Record<keyof HandoverWord, 'must' | 'may'>> = {
  folder: 'may',
  cwd: 'must',
  data: 'must',
  config: 'may',
  environment: 'may',
  bucket: 'may',
  after: 'may',
  moveTo: 'may',
  concurrency: 'may',
  callingIP: 'may',
  callingAET: 'may',
};

/** Bytes of a line. A configuration in the environment is part of it. */
export const MAX_WORD = 64 * 1024;

/** The answer to a word that is taken. Any other answer, or none: the one who asked does the work. */
export const TAKEN = 'taken';
export const LEFT = 'left to you';

/** Of `sun_path` with its NUL: 108 on Linux, 104 on macOS and the BSDs. What is longer would be cut off, and name another place. */
const MAX_SOCKET_PATH = process.platform === 'linux' ? 107 : 103;

/** Where the resident uploader of a spool listens; `undefined` where the path is too long for a socket. */
export function handoverSocket(spool: string): string | undefined {
  return fitsSocket(join(stateFolder(spool), 'resident'));
}

export function fitsSocket(path: string): string | undefined {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH ? path : undefined;
}

export function serializeWord(word: HandoverWord): string {
  return `${JSON.stringify(word)}\n`;
}

/** `undefined` for anything but a word of this form: a field that is not known may ask for what would not be done. */
export function parseWord(line: string): HandoverWord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const texts = Object.entries(value);
  if (!texts.every(([name, text]) => Object.hasOwn(FIELDS, name) && typeof text === 'string' && !text.includes('\0')))
    return undefined;
  if (!Object.entries(FIELDS).every(([name, need]) => need === 'may' || Object.hasOwn(value, name))) return undefined;
  const word = value as HandoverWord;
  return isAbsolute(word.cwd) && isAbsolute(word.folder ?? '/') ? word : undefined;
}
