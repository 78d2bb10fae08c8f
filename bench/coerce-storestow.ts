/**
 * Coerces the files of a folder by the default rules, in this one process, from the compiled sources: read, coerce, write, without
 * fsync, one file after the other as the peers do. `prepare` takes the digests too that the audit tags and the archive's check need.
 *
 *   node bench/coerce-storestow.ts IN OUT [coerce|prepare]
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, writevSync } from 'node:fs';
import { join } from 'node:path';
import type * as CompileCache from '../cli/compile-cache.ts';
import type { Segments } from '../core/dicom/change.ts';
import type * as Coerce from '../core/coerce/coerce.ts';
import type * as DefaultRules from '../core/coerce/default-rules.ts';
import type * as ByteSource from '../core/dicom/byte-source.ts';
import type * as ReadPart10 from '../core/dicom/read-part10.ts';
import type * as Splice from '../core/dicom/splice.ts';
import type * as FramePool from '../core/encode/frame-pool.ts';
import type * as PrepareInstance from '../core/prepare-instance.ts';
import { compiled } from './compiled.ts';

// As the command does.
(await compiled<typeof CompileCache>('cli/compile-cache')).keepCompiledCode();

const { readPart10 } = await compiled<typeof ReadPart10>('core/dicom/read-part10');
const { splice } = await compiled<typeof Splice>('core/dicom/splice');
const { inMemory } = await compiled<typeof ByteSource>('core/dicom/byte-source');
const { coerce } = await compiled<typeof Coerce>('core/coerce/coerce');
const { DEFAULT_RULES } = await compiled<typeof DefaultRules>('core/coerce/default-rules');

const [, , input = '', output = '', steps = 'coerce'] = process.argv;
const ruleSet = { rules: DEFAULT_RULES, unknownSource: 'pass', originalAttributes: true } as const;
const source = { callingAET: 'BENCH', callingIP: '127.0.0.1', receivedAt: new Date() };

type Step = (file: Uint8Array) => Segments | Promise<Segments>;

const coerced: Step = (file) => {
  const part10 = readPart10(file);
  return splice(part10, coerce(part10, ruleSet, source).changes);
};

/** Loads the codec's threads, which coercing does not need. */
async function preparing(): Promise<Step> {
  const { createFramePool } = await compiled<typeof FramePool>('core/encode/frame-pool');
  const { prepareInstance } = await compiled<typeof PrepareInstance>('core/prepare-instance');
  const framePool = createFramePool();
  return async (file) => prepareInstance(file, source, ruleSet, framePool, { encode: false });
}

/** For every file: its pages are touched for the first time once. */
let room = new Uint8Array(1024 * 1024);

function read(path: string): Uint8Array {
  const descriptor = openSync(path, 'r');
  const { size } = fstatSync(descriptor);
  if (size > room.length) room = new Uint8Array(size);
  let length = 0;
  for (let count = -1; count !== 0 && length < size; length += count)
    count = readSync(descriptor, room, length, size - length, null);
  closeSync(descriptor);
  return room.subarray(0, length);
}

function write(path: string, { segments, length }: Segments): void {
  const descriptor = openSync(path, 'w');
  if (writevSync(descriptor, inMemory(segments)) !== length) throw new Error(`${path} was not written whole`);
  closeSync(descriptor);
}

const step = steps === 'coerce' ? coerced : await preparing();

for (const name of readdirSync(input)) {
  const made = step(read(join(input, name)));
  write(join(output, name), made instanceof Promise ? await made : made);
}
