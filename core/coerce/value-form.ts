/** The values that each VR allows in a rule: form and length, PS3.5 6.2. */
import type { VR } from '../dicom/data-set.ts';
import { isNumberVR, type NumberVR } from './number-bytes.ts';

type TextVR =
  'AE' | 'AS' | 'CS' | 'DA' | 'DS' | 'DT' | 'IS' | 'LO' | 'LT' | 'PN' | 'SH' | 'ST' | 'TM' | 'UC' | 'UI' | 'UR' | 'UT';

/** VRs whose value a rule may set. Not: sequences, and bytes without a form (OB, OW, UN …). */
export type SettableVR = TextVR | NumberVR;

interface TextForm {
  /** Characters of one value; of one component group for PN. */
  readonly maxLength: number;
  /** Of one value. */
  readonly pattern: RegExp;
  readonly form: string;
  /** One value at most, in which a backslash is a character like others. */
  readonly single?: boolean;
}

interface NumberForm {
  readonly kind: 'integer' | 'real' | 'tag';
  readonly minimum: number | bigint;
  readonly maximum: number | bigint;
}

const LINE = /^[^\p{Cc}\\]*$/u;
/** The control characters that PS3.5 6.1.3 allows in text: TAB, LF, FF, CR. */
const PARAGRAPHS = /^(?:[\t\n\f\r]|[^\p{Cc}])*$/u;
const DATE = String.raw`\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])`;
const TIME = String.raw`(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?`;

const TEXT_FORMS: Readonly<Record<TextVR, TextForm>> = {
  AE: { maxLength: 16, pattern: /^(?! *$)[ -[\]-~]+$/, form: 'printable ASCII without backslash' },
  AS: { maxLength: 4, pattern: /^\d{3}[DWMY]$/, form: 'nnnD, nnnW, nnnM or nnnY' },
  CS: { maxLength: 16, pattern: /^[A-Z0-9 _]*$/, form: 'capital letters, digits, space and underscore' },
  DA: { maxLength: 8, pattern: new RegExp(`^${DATE}$`), form: 'YYYYMMDD' },
  DS: { maxLength: 16, pattern: /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/, form: 'a decimal number' },
  DT: {
    maxLength: 26,
    pattern: new RegExp(String.raw`^\d{4}(?:(?:0[1-9]|1[0-2])|${DATE.slice(5)}(?:${TIME})?)?(?:[+-]\d{4})?$`),
    form: 'YYYYMMDDHHMMSS.FFFFFF&ZZXX',
  },
  IS: { maxLength: 12, pattern: /^[+-]?\d+$/, form: 'an integer' },
  LO: { maxLength: 64, pattern: LINE, form: 'text in one line without backslash' },
  LT: { maxLength: 10240, pattern: PARAGRAPHS, form: 'text', single: true },
  PN: {
    maxLength: 64,
    pattern: /^(?:[^\p{Cc}\\=^]*(?:\^[^\p{Cc}\\=^]*){0,4})(?:=[^\p{Cc}\\=^]*(?:\^[^\p{Cc}\\=^]*){0,4}){0,2}$/u,
    form: 'up to five components by ^ in up to three groups by =',
  },
  SH: { maxLength: 16, pattern: LINE, form: 'text in one line without backslash' },
  ST: { maxLength: 1024, pattern: PARAGRAPHS, form: 'text', single: true },
  TM: { maxLength: 13, pattern: new RegExp(`^${TIME}$`), form: 'HHMMSS.FFFFFF' },
  UC: { maxLength: 65534, pattern: LINE, form: 'text in one line without backslash' },
  UI: { maxLength: 64, pattern: /^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))*$/, form: 'a UID' },
  UR: { maxLength: 65534, pattern: /^(?! )[!-[\]-~]*$/, form: 'a URI', single: true },
  UT: { maxLength: 65534, pattern: PARAGRAPHS, form: 'text', single: true },
};

const NUMBER_FORMS: Readonly<Record<NumberVR, NumberForm>> = {
  US: { kind: 'integer', minimum: 0, maximum: 0xffff },
  SS: { kind: 'integer', minimum: -0x8000, maximum: 0x7fff },
  UL: { kind: 'integer', minimum: 0, maximum: 0xffffffff },
  SL: { kind: 'integer', minimum: -0x80000000, maximum: 0x7fffffff },
  UV: { kind: 'integer', minimum: 0n, maximum: 0xffffffffffffffffn },
  SV: { kind: 'integer', minimum: -0x8000000000000000n, maximum: 0x7fffffffffffffffn },
  FL: { kind: 'real', minimum: -3.4028234663852886e38, maximum: 3.4028234663852886e38 },
  FD: { kind: 'real', minimum: -Number.MAX_VALUE, maximum: Number.MAX_VALUE },
  AT: { kind: 'tag', minimum: 0, maximum: 0xffffffff },
};

export function isTextVR(vr: VR): vr is TextVR {
  return Object.hasOwn(TEXT_FORMS, vr);
}

export function isSettableVR(vr: VR): vr is SettableVR {
  return isTextVR(vr) || isNumberVR(vr);
}

/** Text with a backslash only where the VR has single values, or numbers (of AT: tags). No value: an empty attribute. */
export type RuleValues =
  | { readonly kind: 'text'; readonly vr: TextVR; readonly texts: readonly string[] }
  | { readonly kind: 'number'; readonly vr: NumberVR; readonly numbers: readonly (number | bigint)[] };

/** Values as a rule states them → as the VR has them, or what is wrong with them, in words. */
export function parseValues(vr: SettableVR, stated: string | number | readonly (string | number)[]): RuleValues | string {
  const listed = typeof stated === 'object' ? stated.map(String) : [String(stated)];
  return isTextVR(vr) ? parseTexts(vr, listed) : parseNumbers(vr, listed);
}

function parseTexts(vr: TextVR, listed: readonly string[]): RuleValues | string {
  const form = TEXT_FORMS[vr];
  if (form.single === true && listed.length > 1) return `${vr} takes one value`;
  const texts = form.single === true ? listed : split(listed);
  if (texts.length === 1 && texts[0] === '') return { kind: 'text', vr, texts: [] };
  const problem = texts.map((value) => textProblem(vr, form, value)).find((found) => found !== undefined);
  return problem ?? { kind: 'text', vr, texts };
}

function parseNumbers(vr: NumberVR, listed: readonly string[]): RuleValues | string {
  const form = NUMBER_FORMS[vr];
  const values = split(listed);
  const numbers: (number | bigint)[] = [];
  for (const value of values.length === 1 && values[0] === '' ? [] : values) {
    const number = parseNumber(form, value);
    if (number === undefined) return numberProblem(vr, form, value);
    numbers.push(number);
  }
  return { kind: 'number', vr, numbers };
}

/** PS3.5 6.4 */
function split(listed: readonly string[]): string[] {
  return listed.flatMap((value) => value.split('\\'));
}

function textProblem(vr: TextVR, form: TextForm, value: string): string | undefined {
  // An empty value among several has no form (PS3.5 6.4).
  if (value === '') return undefined;
  const quoted = JSON.stringify(value);
  if (!form.pattern.test(value)) return `${quoted} is not ${form.form}, as ${vr} needs`;
  const groups = vr === 'PN' ? value.split('=') : [value];
  if (groups.some((group) => Array.from(group).length > form.maxLength)) {
    return `${quoted} is longer than the ${form.maxLength} characters of ${vr}`;
  }
  if (vr === 'IS' && Math.abs(Number(value) + 0.5) > 0x80000000) return `${quoted} is not within 32 bits, as IS needs`;
  return undefined;
}

function parseNumber(form: NumberForm, value: string): number | bigint | undefined {
  const number =
    form.kind === 'integer' ? parseInteger(value, form) : form.kind === 'real' ? parseReal(value) : parseTagNumber(value);
  return number !== undefined && number >= form.minimum && number <= form.maximum ? number : undefined;
}

function parseInteger(value: string, { maximum }: NumberForm): number | bigint | undefined {
  if (!/^[+-]?\d{1,20}$/.test(value)) return undefined;
  return typeof maximum === 'bigint' ? BigInt(value.replace(/^\+/, '')) : Number(value);
}

function parseReal(value: string): number | undefined {
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value) ? Number(value) : undefined;
}

function parseTagNumber(value: string): number | undefined {
  const [, group, element] = /^\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?$/.exec(value) ?? [];
  return group === undefined || element === undefined ? undefined : Number.parseInt(group + element, 16);
}

function numberProblem(vr: NumberVR, form: NumberForm, value: string): string {
  const quoted = JSON.stringify(value);
  if (form.kind === 'tag') return `${quoted} is not a tag (GGGG,EEEE), as ${vr} needs`;
  return `${quoted} is not ${form.kind === 'integer' ? 'an integer' : 'a number'} of ${form.minimum} to ${form.maximum}, as ${vr} needs`;
}
