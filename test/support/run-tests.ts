/**
 * `npm test`: what the tests run against is installed where it can be, then vitest runs, with all arguments, and the last line
 * is `N passed, N failed, N skipped`. `--no-install` leaves the machine as it is. Groups: `npm test -- --project unit` (contract,
 * infra, e2e, faults).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installPeers } from './install-peers.ts';
import type { OutcomeCounts } from './outcome-counter.ts';

const NO_INSTALL = '--no-install';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const VITEST = fileURLToPath(import.meta.resolve('vitest')).replace(/dist.*$/, 'vitest.mjs');
const COUNTER = fileURLToPath(new URL('outcome-counter.ts', import.meta.url));

const args = process.argv.slice(2);
const say = (line: string): void => console.log(`tests: ${line}`);

const peers = installPeers(say, { install: !args.includes(NO_INSTALL) });
if (peers.missing.length > 0)
  say(`not on this machine, so their tests are skipped: ${peers.missing.join(', ')} (root on Debian with Go: all are installed)`);

const { status, counts } = runVitest(args.filter((arg) => arg !== NO_INSTALL));
const executed = counts.passed + counts.failed;
process.exitCode = status === 0 && counts.failed === 0 && executed > 0 ? 0 : 1;
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);

function runVitest(vitestArgs: readonly string[]): { readonly status: number | null; readonly counts: OutcomeCounts } {
  const folder = mkdtempSync(join(tmpdir(), 'storestow-counts-'));
  const file = join(folder, 'counts.json');
  const reporters = vitestArgs.some((arg) => arg.startsWith('--reporter')) ? [] : ['--reporter=default'];
  try {
    const { status } = spawnSync(process.execPath, [VITEST, 'run', ...reporters, `--reporter=${COUNTER}`, ...vitestArgs], {
      cwd: ROOT,
      stdio: 'inherit',
      env: {
        ...process.env,
        PATH: [...peers.path, process.env['PATH'] ?? ''].join(delimiter),
        STORESTOW_TEST_COUNTS: file,
      },
    });
    return { status, counts: readCounts(file) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run that ended without its counts has failed. */
function readCounts(file: string): OutcomeCounts {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as OutcomeCounts;
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
