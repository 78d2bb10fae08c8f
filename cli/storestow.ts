#!/usr/bin/env node
/**
 * The `storestow` command. Looks at Node's version before anything is loaded that an older one could not read, and for what storescp
 * starts whether a resident uploader takes it, before anything is loaded that only the work itself needs.
 */
import process from 'node:process';

if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `storestow needs Node 24 or later; this is ${process.version}. Install it, or run within the repository by npm.\n`,
  );
  process.exitCode = 2;
} else {
  const args = process.argv.slice(2);
  const left = args[0] === 'upload' && (await (await import('./leave-to-resident.ts')).leaveToResident(args.slice(1)));
  process.exitCode = left ? 0 : await runHere(args);
}

async function runHere(args: readonly string[]): Promise<number> {
  const { keepCompiledCode } = await import('./compile-cache.ts');
  keepCompiledCode();
  const { run } = await import('./program.ts');
  return run(args);
}
