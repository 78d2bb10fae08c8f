/** A small share of `npm run fuzz`, the same each time. What must hold for each input: test/fuzz/check-input.ts. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Codec } from '../fuzz/check-input.ts';
import { checkNumbered } from '../fuzz/fuzz-worker.ts';
import { openRealCodec } from '../fuzz/real-codec.ts';
import { storedFrames } from '../fuzz/stored-frames.ts';

const SEED = 20261124;
const SHARE = 250;
/** Milliseconds: a share takes a second or two where nothing else runs. */
const LIMIT = 120_000;

interface Outcomes {
  readonly defects: readonly string[];
  readonly refused: number;
  readonly coerced: number;
  readonly encoded: number;
}

async function check(first: number, count: number, codec: Codec): Promise<Outcomes> {
  const defects: string[] = [];
  let [refused, coerced, encoded] = [0, 0, 0];
  for (let input = first; input < first + count; input++) {
    const result = await checkNumbered(SEED, input, codec);
    if ('defect' in result) defects.push(`seed ${SEED} input ${input}: ${result.defect}`);
    else if (result.refused !== undefined) refused += 1;
    else if (result.encoded) encoded += 1;
    else if (result.coerced) coerced += 1;
  }
  return { defects, refused, coerced, encoded };
}

describe('mutated objects', { timeout: LIMIT }, () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])('are read exactly, or refused (share %i)', async (share) => {
    const { defects, ...outcomes } = await check(share * SHARE, SHARE, storedFrames);
    expect(defects).toEqual([]);
    // A share of which none gets far would show nothing
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(10);
  });

  describe('with the real codec', () => {
    let codec: Codec | undefined;
    afterEach(() => codec?.pool.close());

    it.each(['j2k', 'htj2k'] as const)('have their pixels (%s)', async (syntax) => {
      codec = await openRealCodec(syntax);
      const { defects, encoded } = await check(0, 300, codec);
      expect(defects).toEqual([]);
      expect(encoded).toBeGreaterThan(10);
    });
  });
});
