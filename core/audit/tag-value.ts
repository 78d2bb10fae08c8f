/**
 * Text as the value of an object tag. S3 allows 256 characters of letters, digits, space and `+ - = . _ : / @`; here
 * `=` introduces an escape: anything else, and `=` itself, is written `=XX`, its UTF-8 bytes in hexadecimal. Letters are the
 * ASCII ones, because not every S3 server takes others. What is too long is cut at a whole character and ends in
 * `=2E=2E=2E`: three escaped full stops, which no uncut value has.
 */

export const MAX_TAG_VALUE_LENGTH = 256;

const CUT_MARK = '=2E=2E=2E';
const ALLOWED = /^[A-Za-z0-9 +\-._:/@]$/;

/** One character at a time, so that a cut never falls within an escape or a UTF-8 sequence. A lone surrogate becomes U+FFFD. */
function escapeCharacter(character: string, allowed: RegExp): string {
  if (allowed.test(character)) return character;
  return Array.from(new TextEncoder().encode(character), (byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
    '',
  );
}

/** At most `maxLength` (at least 9) characters, each of `allowed` or part of an escape. */
export function escapeTagValue(text: string, maxLength: number = MAX_TAG_VALUE_LENGTH, allowed: RegExp = ALLOWED): string {
  let escaped = '';
  let cut = '';
  for (const character of text) {
    escaped += escapeCharacter(character, allowed);
    if (escaped.length > maxLength) return cut + CUT_MARK;
    if (escaped.length <= maxLength - CUT_MARK.length) cut = escaped;
  }
  return escaped;
}

/** What can be read of a text once it was a tag's value: to be compared with one that was. */
export function asTagged(text: string): string {
  return unescapeTagValue(escapeTagValue(text));
}

/** The text; of a value that was cut, its beginning and `...`. Bytes that are not UTF-8 become U+FFFD; a stray `=` stays. */
export function unescapeTagValue(value: string): string {
  return value.replace(/(?:=[0-9A-Fa-f]{2})+/g, (run) => Buffer.from(run.replaceAll('=', ''), 'hex').toString('utf8'));
}
