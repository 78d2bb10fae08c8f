/** The verification of the storage (`…/stgver`) as dcm4chee answers it: each file is read, and held against the digest that is kept of it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { errorMessage, textAnswer, type Answer } from './answer.ts';
import type { IndexedInstance, InstanceStore, Selection } from './instance-store.ts';
import { jsonElement, stringifyDataSet, type JsonElement } from './to-dicom-json.ts';

const MAX_INSTANCES = 1_000_000;
/** Processing failure (PS3.7 C). */
const PROCESSING_FAILURE = 0x0110;

type JsonItem = Readonly<Record<string, JsonElement>>;

/** 200: all are as they were stored; 202: some; 409: none. */
export async function verifyStorage(selection: Selection, store: InstanceStore): Promise<Answer> {
  const instances = store.instances(selection, { offset: 0, limit: MAX_INSTANCES });
  if (instances.length === 0) return errorMessage(404, 'No matching instances');
  const intact: JsonItem[] = [];
  const failed: JsonItem[] = [];
  for (const instance of instances) {
    const digest = await digestOf(store.pathOf(instance));
    if (digest === instance.digest) intact.push(reference(instance));
    else failed.push({ ...reference(instance), '00081197': jsonElement('US', [PROCESSING_FAILURE]) });
  }
  const result = new Map<string, JsonElement>([
    ...(failed.length === 0 ? [] : ([['00081198', jsonElement('SQ', failed)]] as const)),
    ...(intact.length === 0 ? [] : ([['00081199', jsonElement('SQ', intact)]] as const)),
  ]);
  const status = failed.length === 0 ? 200 : intact.length === 0 ? 409 : 202;
  return textAnswer(status, 'application/dicom+json', `[${stringifyDataSet(result)}]`);
}

/** MD5, upper-case hexadecimal; undefined of a file that cannot be read. */
async function digestOf(path: string): Promise<string | undefined> {
  const digest = createHash('md5');
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) digest.update(chunk);
  } catch {
    return undefined;
  }
  return digest.digest('hex').toUpperCase();
}

function reference({ sopClassUID, sopInstanceUID }: IndexedInstance): JsonItem {
  return { '00081150': jsonElement('UI', [sopClassUID]), '00081155': jsonElement('UI', [sopInstanceUID]) };
}
