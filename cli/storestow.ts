#!/usr/bin/env node
/** The `storestow` command. Looks at Node's version before anything is loaded that an older one could not read. */
import process from 'node:process';

if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `storestow needs Node 24 or later; this is ${process.version}. Install it, or run within the repository by npm.\n`,
  );
  process.exitCode = 2;
} else {
  const { keepCompiledCode } = await import('./compile-cache.ts');
  keepCompiledCode();
  const { run } = await import('./program.ts');
  process.exitCode = await run(process.argv.slice(2));
}
