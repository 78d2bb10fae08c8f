/** Elements of a file → DICOM JSON as dcm4chee writes it (PS3.18 F): IS, DS, SV and UV as strings, empty values without `Value`. */
import type { DataSet, Element, Tag } from '../../core/dicom/data-set.ts';
import { vrOf } from '../../core/dicom/dictionary.ts';
import { valueBytes } from '../../core/dicom/element-value.ts';
import { readableTexts } from './readable-text.ts';

export interface JsonElement {
  readonly vr: string;
  readonly Value?: readonly unknown[];
}

/** In the order of their writing. */
export type JsonDataSet = ReadonlyMap<string, JsonElement>;

type NumberReader = (view: DataView, at: number, little: boolean) => number;

const NUMBERS: ReadonlyMap<string, readonly [size: number, read: NumberReader]> = new Map<
  string,
  readonly [number, NumberReader]
>([
  ['US', [2, (view, at, little) => view.getUint16(at, little)]],
  ['SS', [2, (view, at, little) => view.getInt16(at, little)]],
  ['UL', [4, (view, at, little) => view.getUint32(at, little)]],
  ['SL', [4, (view, at, little) => view.getInt32(at, little)]],
  ['FL', [4, (view, at, little) => view.getFloat32(at, little)]],
  ['FD', [8, (view, at, little) => view.getFloat64(at, little)]],
]);

const BULK = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'UN', 'SV', 'UV', 'AT']);

const PERSON_NAME_GROUPS = ['Alphabetic', 'Ideographic', 'Phonetic'] as const;

/** `00080018` */
export function jsonTag(tag: Tag): string {
  return tag.toString(16).toUpperCase().padStart(8, '0');
}

export function jsonElement(vr: string, values: readonly unknown[]): JsonElement {
  return values.length === 0 ? { vr } : { vr, Value: values };
}

/** `undefined` where the VR has no place in an answer. UN of an attribute that the dictionary has is read as that (PS3.5 6.2.2). */
export function elementToJson(dataSet: DataSet, received: Element): JsonElement | undefined {
  const element = received.vr === 'UN' ? { ...received, vr: vrOf(received.tag) ?? received.vr } : received;
  const { vr, items } = element;
  if (items !== undefined) {
    return jsonElement(
      'SQ',
      items.map((item) => nestedToJson(item.dataSet)),
    );
  }
  if (BULK.has(vr) || vr === 'SQ') return undefined;
  const number = NUMBERS.get(vr);
  if (number !== undefined) return jsonElement(vr, numbers(dataSet, element, ...number));
  const texts = readableTexts(dataSet, element);
  if (texts.every((text) => text === '')) return { vr };
  return jsonElement(
    vr,
    texts.map((text) => (text === '' ? null : vr === 'PN' ? personName(text) : text)),
  );
}

function nestedToJson(dataSet: DataSet): Record<string, JsonElement> {
  return Object.fromEntries(
    dataSet.elements.flatMap((element) => {
      const json = elementToJson(dataSet, element);
      return json === undefined ? [] : [[jsonTag(element.tag), json] as const];
    }),
  );
}

function numbers(dataSet: DataSet, element: Element, size: number, read: NumberReader): readonly number[] {
  const bytes = valueBytes(dataSet, element);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = !dataSet.encoding.bigEndian;
  return Array.from({ length: Math.floor(bytes.length / size) }, (_, index) => read(view, index * size, little));
}

/** PS3.18 F.2.2 */
function personName(text: string): Record<string, string> {
  const groups = text.split('=');
  return Object.fromEntries(
    PERSON_NAME_GROUPS.flatMap((name, index) => {
      const group = groups[index] ?? '';
      return group === '' ? [] : [[name, group] as const];
    }),
  );
}

/** Keys in their order: as properties of an object, those that look like numbers would come first. */
export function stringifyDataSet(dataSet: JsonDataSet): string {
  return `{${[...dataSet].map(([tag, element]) => `${JSON.stringify(tag)}:${JSON.stringify(element)}`).join(',')}}`;
}
