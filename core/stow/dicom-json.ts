/** Reads the DICOM JSON model (PS3.18 F) that an archive answers. Everything is hostile: what is not as it should be is absent. */

/** One data set: tag of eight upper-case hex digits → element. */
export type JsonDataSet = Readonly<Record<string, unknown>>;

function isDataSet(value: unknown): value is JsonDataSet {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON in bytes → data sets: an array as it is, a single object as an array of one. `undefined` where it is neither. */
export function parseDataSets(body: Uint8Array): readonly JsonDataSet[] | undefined {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8').decode(body));
  } catch {
    return undefined;
  }
  const list: unknown[] = Array.isArray(json) ? json : [json];
  return list.every(isDataSet) ? list : undefined;
}

/** Of an element's `Value`; none where that is no array. */
export function values(dataSet: JsonDataSet, tag: string): readonly unknown[] {
  const element = Object.hasOwn(dataSet, tag) ? dataSet[tag] : undefined;
  if (!isDataSet(element) || !Object.hasOwn(element, 'Value')) return [];
  const { Value: value } = element as { readonly Value: unknown };
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function vrIn(dataSet: JsonDataSet, tag: string): string | undefined {
  const element = Object.hasOwn(dataSet, tag) ? dataSet[tag] : undefined;
  return isDataSet(element) && typeof element['vr'] === 'string' ? element['vr'] : undefined;
}

export function firstString(dataSet: JsonDataSet, tag: string): string | undefined {
  const [value] = values(dataSet, tag);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A number, or a decimal string: dcm4chee writes IS, SV and UV as strings, others write US so. */
export function firstInteger(dataSet: JsonDataSet, tag: string): number | undefined {
  const [value] = values(dataSet, tag);
  const number = typeof value === 'string' && /^\s*\d{1,15}\s*$/.test(value) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : undefined;
}

/** Items of a sequence. */
export function items(dataSet: JsonDataSet, tag: string): readonly JsonDataSet[] {
  return values(dataSet, tag).filter(isDataSet);
}
