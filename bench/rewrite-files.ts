/** What the benches of coercing have in common: each file of a folder read, given to a step, written to another folder, without fsync. */
import { join } from 'node:path';
import { inMemory } from '../core/dicom/byte-source.ts';
import type { Segments } from '../core/dicom/change.ts';

/** Not imported: an import of all that fs has loads its streams and promises, which nobody here uses. */
const { closeSync, fstatSync, openSync, readdirSync, readSync, writevSync } = process.getBuiltinModule('node:fs');

export type Step = (file: Uint8Array) => Segments | Promise<Segments>;

/** One after the other, as the peers do. */
export async function rewriteFiles(input: string, output: string, step: Step): Promise<void> {
  for (const name of readdirSync(input)) {
    const made = step(read(join(input, name)));
    write(join(output, name), made instanceof Promise ? await made : made);
  }
}

/** For every file: its pages are touched for the first time once. */
let room = new Uint8Array(1024 * 1024);

function read(path: string): Uint8Array {
  const descriptor = openSync(path, 'r');
  const { size } = fstatSync(descriptor);
  if (size > room.length) room = new Uint8Array(size);
  let length = 0;
  for (let count = -1; count !== 0 && length < size; length += count) {
    count = readSync(descriptor, room, length, size - length, null);
  }
  closeSync(descriptor);
  return room.subarray(0, length);
}

function write(path: string, { segments, length }: Segments): void {
  const descriptor = openSync(path, 'w');
  if (writevSync(descriptor, inMemory(segments)) !== length) throw new Error(`${path} was not written whole`);
  closeSync(descriptor);
}
