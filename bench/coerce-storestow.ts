/**
 * Coerces the files of a folder by the default rules, in this one process, from the compiled sources: read, coerce, write, without
 * fsync. `prepare` takes the digests too that the audit tags and the archive's check need.
 *
 *   node bench/coerce-storestow.ts IN OUT [coerce|prepare]
 */
import { open, readdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Segments } from '../core/dicom/change.ts';
import type * as Coerce from '../core/coerce/coerce.ts';
import type * as DefaultRules from '../core/coerce/default-rules.ts';
import type * as Concurrency from '../core/concurrency.ts';
import type * as ByteSource from '../core/dicom/byte-source.ts';
import type * as ReadPart10 from '../core/dicom/read-part10.ts';
import type * as Splice from '../core/dicom/splice.ts';
import type * as FramePool from '../core/encode/frame-pool.ts';
import type * as PrepareInstance from '../core/prepare-instance.ts';
import { compiled } from './compiled.ts';

const { readPart10 } = await compiled<typeof ReadPart10>('core/dicom/read-part10');
const { splice } = await compiled<typeof Splice>('core/dicom/splice');
const { inMemory } = await compiled<typeof ByteSource>('core/dicom/byte-source');
const { coerce } = await compiled<typeof Coerce>('core/coerce/coerce');
const { DEFAULT_RULES } = await compiled<typeof DefaultRules>('core/coerce/default-rules');
const { mapConcurrently } = await compiled<typeof Concurrency>('core/concurrency');

const [, , input = '', output = '', steps = 'coerce'] = process.argv;
const ruleSet = { rules: DEFAULT_RULES, unknownSource: 'pass', originalAttributes: true } as const;
const source = { callingAET: 'BENCH', callingIP: '127.0.0.1', receivedAt: new Date() };

async function write(path: string, { segments }: Segments): Promise<void> {
  const handle = await open(path, 'w');
  await handle.writev(inMemory(segments));
  await handle.close();
}

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

const step = steps === 'coerce' ? coerced : await preparing();

await mapConcurrently(await readdir(input), availableParallelism() * 2, async (name) => {
  const file = await readFile(join(input, name));
  await write(join(output, name), await step(file));
});
