/** The argument order of the first storestow, which sites have in their storescp lines: `AET IP FOLDER STOW-URL MAPPING.plist`. */
import { isIP } from 'node:net';
import { StorestowError } from '../core/errors.ts';

export interface SeedArguments {
  readonly callingAET: string;
  readonly callingIP: string;
  readonly studyFolder: string;
  /** With its placeholders: `%@` or `{aet}`, `{institution}`, `{site}`. */
  readonly stowUrl: string;
  /** Path of the property list. */
  readonly institutionMapping: string;
}

/** PS3.5 6.2: 1 to 16 characters of the default repertoire, neither a backslash nor a control character, not only blanks. */
const AE_TITLE = /^(?=.*[!-~])[ -[\]-~]{1,16}$/;

/**
 * | arguments                                          | result       |
 * |----------------------------------------------------|--------------|
 * | not five, or any that begins with `-`              | `undefined`  |
 * | five, the fourth no `http(s)` URL, the fifth no plist | `undefined` |
 * | five with a URL or a plist in its place, all valid | the arguments|
 * | the same, any of the others not valid              | throws `USAGE` |
 */
export function parseSeedArguments(args: readonly string[]): SeedArguments | undefined {
  if (args.length !== 5 || args.some((argument) => argument.startsWith('-'))) return undefined;
  const [title = '', callingIP = '', studyFolder = '', stowUrl = '', institutionMapping = ''] = args;
  const hasUrl = /^https?:/i.test(stowUrl);
  const hasMapping = /\.plist$/i.test(institutionMapping);
  if (!hasUrl && !hasMapping) return undefined;
  check(
    AE_TITLE.test(title),
    'the first argument, the calling AE title, must have 1 to 16 printable characters and no backslash',
  );
  check(
    isIP(callingIP) !== 0,
    'the second argument, the calling address, must be an IP address: run storescp with -dhl (--disable-host-lookup)',
  );
  check(isPath(studyFolder), 'the third argument must be the folder of the study');
  check(
    hasUrl && isUrlTemplate(stowUrl),
    'the fourth argument must be the http or https URL of the STOW-RS service, such as https://host/dcm4chee-arc/aets/%@/rs/studies',
  );
  check(hasMapping && isPath(institutionMapping), 'the fifth argument must be the institution mapping, a property list (.plist)');
  return { callingAET: title.trim(), callingIP, studyFolder, stowUrl, institutionMapping };
}

function check(valid: boolean, message: string): void {
  if (!valid) throw new StorestowError('USAGE', message);
}

function isPath(text: string): boolean {
  return text !== '' && !text.includes('\0');
}

function isUrlTemplate(text: string): boolean {
  const filled = text.replaceAll('%@', 'AET').replace(/\{(?:aet|institution|site)\}/g, 'X');
  return URL.canParse(filled) && !/[{}\s]/.test(filled);
}
