/** sst.config.ts against SST's real types, with the compiler that SST brings: its components are sources, checked along. */
import { join } from 'node:path';
import { installPlatform, platformSupported, PLATFORM, ROOT, run } from './sst-platform.ts';

if (platformSupported) {
  installPlatform();
  const compiler = join(PLATFORM, 'node_modules', 'typescript', 'bin', 'tsc');
  run(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.infra.json')], { cwd: ROOT });
  console.log("sst.config.ts: checked against SST's types");
} else {
  console.log("sst.config.ts: not checked (SST's types are installed on Linux x64 only)");
}
