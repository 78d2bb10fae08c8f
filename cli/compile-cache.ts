/** Compiled code kept between runs: half of a start is V8 compiling what it compiled the last time. */
import { mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * For this process and, by the environment, for those that it starts. In the user's own folder, never in a shared one: what lies
 * there is run. Where it cannot be made or written (a service without a home), everything is compiled anew. NODE_COMPILE_CACHE
 * names another folder, NODE_DISABLE_COMPILE_CACHE turns it off.
 */
export function keepCompiledCode(env: NodeJS.ProcessEnv = process.env): void {
  if (env['NODE_COMPILE_CACHE'] !== undefined) return;
  const folder = join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'storestow', 'compiled');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch {
    return;
  }
  enableCompileCache(folder);
  env['NODE_COMPILE_CACHE'] = folder;
}
