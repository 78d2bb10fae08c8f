/** What `process --dry-run` prints of a file: the differences, by the reason that each has. */
import { GROUP_LENGTH_CORRECTED } from '../core/dicom/explain-differences.ts';
import type { ContentLine, DifferenceLine } from '../functions/process/difference-line.ts';
import type { ChangedPreview, FilePreview } from '../functions/process/preview-file.ts';
import { printable } from './table.ts';

/** Colours, or none: `styleText` of node:util bound to a stream. */
export type Paint = (format: 'bold' | 'dim' | 'green' | 'red' | 'yellow', text: string) => string;

/** Characters of a value that are shown; of two values, those from where they begin to differ. */
const MAX_SHOWN = 72;
/** Characters shown of what two long values have in common before they differ. */
const COMMON = 12;

const SIGN = { added: '+', removed: '-', changed: '~', moved: '>', bytes: '~' } as const;
const COLOUR = { added: 'green', removed: 'red', changed: 'yellow', moved: 'yellow', bytes: 'yellow' } as const;

export function previewText(preview: FilePreview, paint: Paint): string {
  const heading = paint('bold', printable(preview.input));
  if (preview.outcome === 'refused') {
    return `${heading}\n  ${paint('red', 'refused')} ${preview.code}: ${printable(preview.message)}\n`;
  }
  const { differences, encoded, reason } = preview;
  const lines = [
    `${heading}: ${countText(preview)}`,
    ...byReason(differences).flatMap(([why, group]) => [
      why === undefined ? `  ${paint('red', 'UNEXPLAINED')}: no rule and no encoding accounts for this` : `  ${printable(why)}`,
      ...group.flatMap((line) => differenceText(line, paint)),
    ]),
    ...(encoded ? [] : [paint('dim', `  pixel data stays as it is: ${reason ?? 'not encoded'}`)]),
  ];
  return `${lines.join('\n')}\n`;
}

/** What nothing explains first, group lengths last; the rest in the order of the file. */
function byReason(differences: readonly DifferenceLine[]): [reason: string | undefined, lines: DifferenceLine[]][] {
  const rank = (reason: string | undefined): number => (reason === undefined ? 0 : reason === GROUP_LENGTH_CORRECTED ? 2 : 1);
  return [...Map.groupBy(differences, ({ reason }) => reason)].sort(([a], [b]) => rank(a) - rank(b));
}

function countText({ differences, unexplained }: ChangedPreview): string {
  const count = differences.length;
  const what = count === 0 ? 'nothing would change' : `${count} ${count === 1 ? 'difference' : 'differences'}`;
  return unexplained === 0 ? what : `${what}, ${unexplained} UNEXPLAINED`;
}

function differenceText(line: DifferenceLine, paint: Paint): string[] {
  const { kind, attribute, tag, vr, vrBefore, creator, note, content = [] } = line;
  const name = [
    printable(attribute),
    ...(tag === undefined || tag === attribute ? [] : [tag]),
    ...(vr === undefined ? [] : [vrBefore === undefined ? vr : `${vrBefore} -> ${vr}`]),
    ...(creator === undefined ? [] : [`[${printable(creator)}]`]),
  ].join(' ');
  const remark = note === undefined ? '' : paint('dim', `  ${note}`);
  return [
    `    ${paint(COLOUR[kind], SIGN[kind])} ${name}  ${valuesText(line, paint)}${remark}`,
    ...content.map((inner) => paint('dim', `        ${contentText(inner)}`)),
  ];
}

function valuesText({ before, after }: DifferenceLine, paint: Paint): string {
  if (before === undefined || after === undefined) {
    const only = before ?? after;
    return only === undefined ? '' : paint(after === undefined ? 'red' : 'green', shown(only, 0));
  }
  const from = Math.max(0, commonLength(before.text, after.text) - COMMON);
  return `${paint('red', shown(before, from))} -> ${paint('green', shown(after, from))}`;
}

function contentText({ attribute, tag, vr, value }: ContentLine): string {
  const name = printable(attribute);
  return `${name}${attribute.endsWith(tag) ? '' : ` ${tag}`} ${vr}  ${shown(value, 0)}`;
}

/** Quoted where it is text, so that blanks and an empty value can be seen; long ones from `from` on. */
function shown({ form, text }: NonNullable<DifferenceLine['before']>, from: number): string {
  const characters = Array.from(text);
  const start = characters.length > MAX_SHOWN ? Math.min(from, characters.length - 1) : 0;
  const part = characters.slice(start, start + MAX_SHOWN).join('');
  const end = start + MAX_SHOWN < characters.length ? '…' : '';
  const cut = `${start > 0 ? '…' : ''}${printable(part)}${end}`;
  const total = start > 0 || end !== '' ? ` (${characters.length} characters)` : '';
  return (form === 'text' ? `"${cut}"` : cut) + total;
}

/** In characters. */
function commonLength(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  const differs = left.findIndex((character, index) => character !== right[index]);
  return differs === -1 ? left.length : differs;
}
