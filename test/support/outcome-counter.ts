/**
 * A vitest reporter that writes the run's counts, for the closing line, to the file in `STORESTOW_TEST_COUNTS`. What fails
 * outside a test (a file that does not load, a hook, an unhandled rejection) is a failure too.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export interface OutcomeCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export default class OutcomeCounter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env['STORESTOW_TEST_COUNTS'];
    if (file !== undefined) writeFileSync(file, JSON.stringify(countOutcomes(modules, unhandledErrors.length)));
  }
}

function countOutcomes(modules: readonly TestModule[], unhandledErrors: number): OutcomeCounts {
  const counts = { passed: 0, failed: unhandledErrors, skipped: 0 };
  for (const module of modules) {
    counts.failed += module.errors().length;
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // Never run: an interrupted run, or a hook that failed before it.
      counts[state === 'pending' ? 'failed' : state] += 1;
    }
  }
  return counts;
}
