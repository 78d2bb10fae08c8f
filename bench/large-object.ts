/**
 * The most memory that each process has resident while one large object goes through: `storestow process` from disk to disk,
 * `storestow up` from a folder to the embedded archive, and from storescp to it. 2 GB, 2,000 frames of 1 MiB.
 *
 *   npm run build && node bench/large-object.ts [frames, default 2000]
 */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../test/support/free-port.ts';
import { writeLargeObject } from '../test/support/large-object.ts';
import { peakMemoryDuring } from '../test/support/peak-memory.ts';
import { startStorestow } from '../test/support/storestow-process.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { waitUntil } from '../test/support/wait-until.ts';

const run = promisify(execFile);
const COMPILED = { entry: fileURLToPath(new URL('../dist/cli/storestow.js', import.meta.url)) };
const LIMIT = 512;
const HOUR = 3_600_000;
const frames = Number(process.argv[2] ?? 2000);

async function bench(name: string, args: readonly string[], work?: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  const storestow = startStorestow(args, COMPILED);
  const done = work === undefined ? storestow.finished : storestow.waitFor(/running/).then(work);
  const peaks = await peakMemoryDuring(done, storestow.child.pid ?? 0, 'storestow');
  const seconds = (performance.now() - start) / 1000;
  const { code, stderr } = work === undefined ? await storestow.finished : await storestow.stop();
  if (code !== 0) throw new Error(`storestow ${args.join(' ')} ended with ${code}\n${stderr}`);
  console.log(`${name}: ${seconds.toFixed(1)} s`);
  for (const { command, peak } of peaks)
    console.log(`  ${(peak / 2 ** 20).toFixed(0)} MiB (bar ${LIMIT})  ${command.slice(0, 100)}`);
}

async function untilStowed(data: string): Promise<void> {
  await waitUntil(
    'the object is stowed',
    async () => {
      const { stdout } = await run(process.execPath, [COMPILED.entry, 'audit', '--data', data, '--json']);
      return (JSON.parse(stdout) as readonly { readonly status: string }[]).some(({ status }) => status === 'stowed');
    },
    { timeout: HOUR, interval: 2000 },
  );
}

const folder = await temporaryFolder('bench');
try {
  const at = (name: string): string => join(folder.path, name);
  await mkdir(at('in'));
  const file = join(at('in'), 'large.dcm');
  const { length } = await writeLargeObject(file, { frames, rows: 512, columns: 1024 });
  console.log(`${frames} frames, ${length} bytes`);
  await bench('process', ['process', file, '--out', at('out')]);
  await bench('up, from a folder', ['up', at('in'), '--data', at('folder')]);
  const port = String(await freePort());
  await bench('up, from storescp', ['up', '--data', at('received'), '--port', port], async () => {
    await run('storescu', ['127.0.0.1', port, file]);
    await untilStowed(at('received'));
  });
} finally {
  await folder.remove();
}
