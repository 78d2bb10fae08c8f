/** WADO-RS (PS3.18 10.4): the stored files as multipart/related, each in the syntax in which it was sent. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { inMemory } from '../../core/dicom/byte-source.ts';
import type { Change } from '../../core/dicom/change.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { splice } from '../../core/dicom/splice.ts';
import { emptyAnswer, errorMessage, type Answer } from './answer.ts';
import type { IndexedInstance, InstanceStore, Selection } from './instance-store.ts';
import { parseAccept } from './media-type.ts';

const MAX_INSTANCES = 1_000_000;

function takesMultipartDicom(accept: string | undefined): boolean {
  return parseAccept(accept).some(
    ({ name, parameters }) =>
      name === '*/*' || (name === 'multipart/related' && (parameters.get('type') ?? 'application/dicom') === 'application/dicom'),
  );
}

export function retrieve(
  selection: Selection,
  accept: string | undefined,
  store: InstanceStore,
  merged: readonly Change[],
): Answer {
  if (!takesMultipartDicom(accept)) return emptyAnswer(406);
  const instances = store.instances(selection, { offset: 0, limit: MAX_INSTANCES });
  if (instances.length === 0) return errorMessage(404, 'No matching resources found.');
  const boundary = randomBytes(16).toString('hex');
  return {
    status: 200,
    headers: { 'Content-Type': `multipart/related;type="application/dicom";boundary=${boundary}` },
    body: parts(instances, boundary, (instance) => fileOf(store.pathOf(instance), merged)),
  };
}

async function* fileOf(path: string, merged: readonly Change[]): AsyncGenerator<Uint8Array> {
  if (merged.length === 0) yield* createReadStream(path) as AsyncIterable<Buffer>;
  else yield* inMemory(splice(readPart10(await readFile(path)), merged).segments);
}

async function* parts(
  instances: readonly IndexedInstance[],
  boundary: string,
  bytesOf: (instance: IndexedInstance) => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  for (const instance of instances) {
    const type = `application/dicom;transfer-syntax=${instance.transferSyntaxUID}`;
    yield Buffer.from(`--${boundary}\r\nContent-Type: ${type}\r\n\r\n`, 'latin1');
    yield* bytesOf(instance);
    yield Buffer.from('\r\n', 'latin1');
  }
  yield Buffer.from(`--${boundary}--`, 'latin1');
}
