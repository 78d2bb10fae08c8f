/** WADO-RS (PS3.18 10.4): the stored files as multipart/related, each in the syntax in which it was sent. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
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

export function retrieve(selection: Selection, accept: string | undefined, store: InstanceStore): Answer {
  if (!takesMultipartDicom(accept)) return emptyAnswer(406);
  const instances = store.instances(selection, { offset: 0, limit: MAX_INSTANCES });
  if (instances.length === 0) return errorMessage(404, 'No matching resources found.');
  const boundary = randomBytes(16).toString('hex');
  return {
    status: 200,
    headers: { 'Content-Type': `multipart/related;type="application/dicom";boundary=${boundary}` },
    body: parts(instances, boundary, store),
  };
}

async function* parts(instances: readonly IndexedInstance[], boundary: string, store: InstanceStore): AsyncGenerator<Uint8Array> {
  for (const instance of instances) {
    const type = `application/dicom;transfer-syntax=${instance.transferSyntaxUID}`;
    yield Buffer.from(`--${boundary}\r\nContent-Type: ${type}\r\n\r\n`, 'latin1');
    for await (const chunk of createReadStream(store.pathOf(instance)) as AsyncIterable<Buffer>) yield chunk;
    yield Buffer.from('\r\n', 'latin1');
  }
  yield Buffer.from(`--${boundary}--`, 'latin1');
}
