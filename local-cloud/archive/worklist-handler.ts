/**
 * `mwlitems` as dcm4chee answers it on the AE title WORKLIST: items that match, nothing found → 204; on any other → 404. The items
 * are those of `worklist.json` in the archive's folder, an array in the DICOM JSON model (PS3.18 F), read anew for each question.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { tagOf } from '../../core/dicom/dictionary.ts';
import { errorMessage, textAnswer, type Answer } from './answer.ts';
import { jsonTag } from './to-dicom-json.ts';

const WORKLIST_AET = 'WORKLIST';
const FILE = 'worklist.json';
const CONTROL = new Set(['limit', 'offset', 'includefield', 'fuzzymatching']);

type Item = Readonly<Record<string, { readonly Value?: readonly unknown[] }>>;

/** Rejects where `worklist.json` is not JSON. */
export async function findWorklistItems(folder: string, aet: string, query: URLSearchParams): Promise<Answer> {
  if (aet !== WORKLIST_AET) return errorMessage(404, `No MWL service on Application Entity: ${aet}`);
  const keys = [...query].filter(([name]) => !CONTROL.has(name)).map(([name, value]) => ({ path: tagsOf(name), value }));
  if (keys.some((key) => key.path.includes(undefined))) return errorMessage(400, 'Unsupported query parameter');
  const items = await readItems(path.join(folder, FILE));
  const found = items.filter((item) => keys.every((key) => valuesAt([item], key.path).includes(key.value)));
  if (found.length === 0) return { status: 204, headers: { 'Cache-Control': 'no-cache' } };
  return textAnswer(200, 'application/dicom+json', JSON.stringify(found));
}

/** `AccessionNumber`, `00080050`, and with a dot between a sequence and what its items have. */
function tagsOf(name: string): readonly (string | undefined)[] {
  return name.split('.').map((part) => {
    if (/^[0-9A-F]{8}$/i.test(part)) return part.toUpperCase();
    const tag = tagOf(part);
    return tag === undefined ? undefined : jsonTag(tag);
  });
}

function valuesAt(items: readonly Item[], [tag = '', ...rest]: readonly (string | undefined)[]): readonly unknown[] {
  const values = items.flatMap((item) => item[tag]?.Value ?? []);
  return rest.length === 0 ? values : valuesAt(values as readonly Item[], rest);
}

async function readItems(file: string): Promise<readonly Item[]> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as readonly Item[];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
