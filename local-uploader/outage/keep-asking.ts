/** Within a round that lasts, as one does while a large file is on its way: the bucket is asked as often as it would be between rounds. */
import { setTimeout as delay } from 'node:timers/promises';
import type { BucketGate } from './bucket-gate.ts';
import { pauseWithinRound } from './decide-round.ts';

/** Milliseconds between two looks at the gate. */
const LOOK = 200;

/** Until `over`. `random`: see `decideRound`. */
export async function keepAsking(gate: BucketGate, random: () => number, over: AbortSignal): Promise<void> {
  let { state } = gate.bucket;
  let since = performance.now();
  let share = random();
  while (!over.aborted) {
    await delay(LOOK, undefined, { signal: over, ref: false }).catch(() => undefined);
    if (over.aborted) return;
    const now = performance.now();
    if (gate.bucket.state === state && now - since >= pauseWithinRound(gate.bucket, share)) gate.goOn();
    else if (gate.bucket.state === state) continue;
    ({ state } = gate.bucket);
    since = now;
    share = random();
  }
}
