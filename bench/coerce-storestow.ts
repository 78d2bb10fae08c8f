/**
 * Coerces the files of a folder by the default rules, in this one process. coerce.ts packs it as the functions are packed, and runs that.
 *
 *   node bench/coerce-storestow.ts IN OUT
 */
import { coerce } from '../core/coerce/coerce.ts';
import { DEFAULT_RULES } from '../core/coerce/default-rules.ts';
import { readPart10 } from '../core/dicom/read-part10.ts';
import { splice } from '../core/dicom/splice.ts';
import { rewriteFiles } from './rewrite-files.ts';

const [, , input = '', output = ''] = process.argv;
const ruleSet = { rules: DEFAULT_RULES, unknownSource: 'pass', originalAttributes: true } as const;
const source = { callingAET: 'BENCH', callingIP: '127.0.0.1', receivedAt: new Date() };

await rewriteFiles(input, output, (file) => {
  const part10 = readPart10(file);
  return splice(part10, coerce(part10, ruleSet, source).changes);
});
