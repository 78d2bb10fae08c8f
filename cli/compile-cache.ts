/** Compiled code kept between runs: half of a start is V8 compiling what it compiled the last time. */
import { mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * For this process and, by the environment, for those that it starts. In the user's own folder, never in a shared one: what lies
 * there is run. Where it cannot be made or written (a service without a home), everything is compiled anew. NODE_COMPILE_CACHE
 * names another folder, NODE_DISABLE_COMPILE_CACHE turns it off.
 */
export function keepCompiledCode(env: NodeJS.ProcessEnv = process.env): void {
  if (env['NODE_COMPILE_CACHE'] !== undefined) return;
  try {
    const folder = join(cacheHome(env), 'storestow', 'compiled');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    enableCompileCache(folder);
    env['NODE_COMPILE_CACHE'] = folder;
  } catch {
    // No home, or none that can be written.
  }
}

/** An empty or relative one is none: it would be in whatever folder the command is run. Throws where the user has none. */
function cacheHome({ XDG_CACHE_HOME = '' }: NodeJS.ProcessEnv): string {
  if (isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  const home = homedir();
  if (!isAbsolute(home)) throw new Error('no home');
  return join(home, '.cache');
}
