/** What `archive.tls` names as it is now: certificates are renewed, and a process may run for longer than they live. */
import { statSync } from 'node:fs';
import type { ArchiveTls } from '../config/schema.ts';
import { readTlsFiles, type TlsMaterial } from './tls-files.ts';

/** The same object for as long as nothing changed. */
export type CurrentTls = () => TlsMaterial;

const NOTHING: TlsMaterial = {};
export const NO_TLS_FILES: CurrentTls = () => NOTHING;

/** Milliseconds between two looks at the files; it is asked before each new connection. */
const LOOK_EVERY = 1000;

/**
 * | since the last look, the files       | given                                        |
 * |--------------------------------------|----------------------------------------------|
 * | are as they were                     | what was given before                        |
 * | changed, and fit together            | what they have now                           |
 * | changed, and do not: one is still to come | what was given before, until they do    |
 *
 * Throws `CONFIG_INVALID` at the start, as `readTlsFiles` does, and never later. `now`: milliseconds.
 */
export function openTlsFiles(config: ArchiveTls, now: () => number = Date.now): CurrentTls {
  const files = [config.ca, config.cert, config.key, config.passphraseFile].flat().filter((file) => file !== undefined);
  let state = stateOf(files);
  let material = readTlsFiles(config);
  let looked = now();
  return () => {
    if (Math.abs(now() - looked) < LOOK_EVERY) return material;
    looked = now();
    const current = stateOf(files);
    if (current === state) return material;
    try {
      material = readTlsFiles(config);
      state = current;
    } catch {
      // Of a certificate and its key one is written before the other.
    }
    return material;
  };
}

/** Of files that cannot be looked at, and of what is none (`system`), nothing: reading says what is wrong with them. */
function stateOf(files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const stat = statSync(file, { bigint: true });
        return [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(' ');
      } catch {
        return '';
      }
    })
    .join('\n');
}
