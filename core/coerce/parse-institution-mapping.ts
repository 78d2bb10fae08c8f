/** The institution mapping from its file: an Apple property list, a dictionary of calling AE title or IP → name. */
import { StorestowError } from '../errors.ts';
import { parsePropertyList } from '../property-list.ts';
import { sourceKey, type InstitutionMapping } from './institution-mapping.ts';

/** Ten thousand institutions take about 1 MB. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Characters of LO (PS3.5 6.2). */
const MAX_NAME_LENGTH = 64;

/** `name` is the file's, for messages. Throws `MAPPING_INVALID`. */
export function parseInstitutionMapping(bytes: Uint8Array, name: string): InstitutionMapping {
  const text = decode(bytes, name);
  const entries = Object.entries(parseDictionary(text, name));
  if (entries.length !== countKeys(text))
    throw invalid(name, 'has a key twice, or dictionaries in dictionaries; have each AE title or IP stand once');
  const mapping = new Map<string, string>();
  for (const [key, value] of entries) {
    const source = sourceKey(key);
    if (source === '') throw invalid(name, 'has an empty key; write the calling AE title or IP there');
    if (mapping.has(source)) throw invalid(name, `has ${JSON.stringify(source)} twice; have each AE title or IP stand once`);
    mapping.set(source, institutionName(value, source, name));
  }
  return mapping;
}

function decode(bytes: Uint8Array, name: string): string {
  if (bytes.length > MAX_BYTES) throw invalid(name, `is larger than ${MAX_BYTES / 1024 / 1024} MiB; is it the right file?`);
  if (Buffer.from(bytes.subarray(0, 6)).toString('latin1') === 'bplist') {
    throw invalid(name, `is a binary property list; convert it to XML: plutil -convert xml1 ${shellWord(name)}`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid(name, 'is not in UTF-8; save it so', cause);
  }
}

/** As a shell takes it for one word. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function parseDictionary(text: string, name: string): object {
  if (!text.trimStart().startsWith('<')) {
    throw invalid(
      name,
      `is not an XML property list; plutil -convert xml1 ${shellWord(name)} makes one of any other property list`,
    );
  }
  // The parser lets these pass: it leaves unknown entities as they are and reads on behind the end.
  if (/<!ENTITY/i.test(text)) throw invalid(name, 'declares entities; take them out');
  const entity = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)[^;\s]{0,20};?/.exec(withoutComments(text))?.[0];
  if (entity !== undefined) throw invalid(name, `has ${JSON.stringify(entity)}; write & as &amp;`);
  if (!/<\/plist\s*>\s*$/.test(withoutComments(text))) throw invalid(name, 'does not end with </plist>; it may be cut');
  let value: unknown;
  try {
    value = parsePropertyList(text);
  } catch (cause) {
    throw invalid(name, 'is not a well-formed XML property list; plutil -lint shows the line', cause);
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    throw invalid(name, 'is not one dictionary of AE title or IP → institution name');
  }
  return value;
}

function withoutComments(text: string): string {
  return text.replace(/<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>/g, '');
}

/** The parser keeps the last of several equal keys, and would so choose one institution of two. */
function countKeys(text: string): number {
  return withoutComments(text).match(/<key[\s>/]/g)?.length ?? 0;
}

function institutionName(value: unknown, source: string, name: string): string {
  const key = JSON.stringify(source);
  if (typeof value !== 'string') throw invalid(name, `has no text for ${key}; write the institution's name as <string>`);
  const institution = value.trim();
  if (institution === '') throw invalid(name, `has an empty name for ${key}; write the institution's name`);
  if (Array.from(institution).length > MAX_NAME_LENGTH) {
    throw invalid(
      name,
      `has a name of more than ${MAX_NAME_LENGTH} characters for ${key}; InstitutionName takes no more (PS3.5 6.2, LO)`,
    );
  }
  if (/[\p{Cc}\\]/u.test(institution))
    throw invalid(name, `has a control character or backslash in the name for ${key}; take it out`);
  return institution;
}

function invalid(name: string, what: string, cause?: unknown): StorestowError {
  return new StorestowError('MAPPING_INVALID', `the institution mapping ${name} ${what}`, { object: name, cause });
}
