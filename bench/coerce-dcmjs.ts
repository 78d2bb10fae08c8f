/**
 * The default rules done with dcmjs to the files of a folder, in this one process: read, change, write, without fsync.
 *
 *   node bench/coerce-dcmjs.ts IN OUT
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

type Dict = Record<string, { readonly vr: string; readonly Value: readonly unknown[] }>;

/** As in rewrite-files.ts. */
const { readdirSync, readFileSync, writeFileSync } = process.getBuiltinModule('node:fs');

/** What of dcmjs is used here; the package ships no types. */
interface Dcmjs {
  readonly data: { readonly DicomMessage: { readFile(file: ArrayBuffer): { dict: Dict; write(): ArrayBuffer } } };
  readonly log: { setLevel(level: string): void };
}

const { data, log } = createRequire(import.meta.url)('dcmjs') as Dcmjs;
log.setLevel('error');

const [, , input = '', output = ''] = process.argv;
for (const name of readdirSync(input)) {
  const bytes = readFileSync(join(input, name));
  const file = data.DicomMessage.readFile(new Uint8Array(bytes).buffer);
  const { dict } = file;
  const previous: Dict = {};
  for (const [tag, vr, value] of [
    ['00080090', 'PN', '-^-^-^-'],
    ['00081060', 'PN', '-^-^-'],
    ['00200010', 'SH', '29991231235959'],
  ] as const) {
    const before = dict[tag];
    if (before !== undefined) previous[tag] = before;
    dict[tag] = { vr, Value: [value] };
  }
  delete dict['00321034'];
  delete dict['00091110'];
  dict['04000561'] = {
    vr: 'SQ',
    Value: [
      {
        '04000550': { vr: 'SQ', Value: [previous] },
        '04000562': { vr: 'DT', Value: ['20261124120000.000+0000'] },
        '04000563': { vr: 'LO', Value: ['dcmjs'] },
        '04000564': { vr: 'LO', Value: ['BENCH'] },
        '04000565': { vr: 'CS', Value: ['COERCE'] },
      },
    ],
  };
  writeFileSync(join(output, name), new Uint8Array(file.write()));
}
