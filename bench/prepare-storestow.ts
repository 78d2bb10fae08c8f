/**
 * As coerce-storestow.ts, with all that happens to an instance that is not encoded: the digests that the audit tags and the archive's
 * check need are taken too.
 *
 *   node bench/prepare-storestow.ts IN OUT
 */
import { DEFAULT_RULES } from '../core/coerce/default-rules.ts';
import { createFramePool } from '../core/encode/frame-pool.ts';
import { prepareInstance } from '../core/prepare-instance.ts';
import { rewriteFiles } from './rewrite-files.ts';

const [, , input = '', output = ''] = process.argv;
const ruleSet = { rules: DEFAULT_RULES, unknownSource: 'pass', originalAttributes: true } as const;
const source = { callingAET: 'BENCH', callingIP: '127.0.0.1', receivedAt: new Date() };
const framePool = createFramePool();

await rewriteFiles(input, output, (file) => prepareInstance(file, source, ruleSet, framePool, { encode: false }));
await framePool.close();
