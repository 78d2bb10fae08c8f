import { defineConfig } from 'vitest/config';

const MINUTE = 60_000;

/** Pure tests use all processors; tests that start programs run one file at a time after them. */
const parallel = (name: string) => ({
  extends: true as const,
  // Vitest leaves one processor free by itself, which on a machine of two is half of it.
  test: { name, include: [`test/${name}/**/*.test.ts`], maxWorkers: '100%', sequence: { groupOrder: 0 } },
});
const serial = (name: string, groupOrder: number) => ({
  extends: true as const,
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    maxWorkers: 1,
    sequence: { groupOrder },
    testTimeout: 5 * MINUTE,
    hookTimeout: 5 * MINUTE,
  },
});

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: MINUTE / 2,
    hookTimeout: 2 * MINUTE,
    projects: [parallel('unit'), parallel('contract'), serial('infra', 1), serial('e2e', 2), serial('faults', 3)],
  },
});
