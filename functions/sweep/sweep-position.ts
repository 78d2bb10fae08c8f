/**
 * Where the sweeps of a bucket are in their round: kept in the bucket, so that one that had no time left is gone on with, and what lies at the
 * end, or is old, is not out of reach for ever.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { asStorestowError } from '../../core/errors.ts';
import { INCOMING_PREFIX } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import type { SweepRound } from './sweep-round.ts';

/** Below `sweep/`: nothing there raises an event, is swept, or counts as received. */
const KEY = 'sweep/position';
/** UTF-16 units of a key: S3 has 1,024 bytes. */
const MAX_KEY = 1024;

const sweepRound = z.strictObject({
  number: z.int().nonnegative(),
  begun: z.int().nonnegative(),
  seen: z.int().nonnegative().exactOptional(),
  after: z.string().startsWith(INCOMING_PREFIX).max(MAX_KEY).exactOptional(),
});

export interface SweepPosition {
  /** Absent: none is kept, or what is there is none; all objects are to be looked at. */
  readonly round?: SweepRound;
  /** Of what was read. */
  readonly etag?: string;
}

/** Throws what the store throws. */
export async function readSweepPosition(store: ObjectStore): Promise<SweepPosition> {
  try {
    const stored = await store.get(KEY);
    const round = parseRound(await stored.bytes());
    return { etag: stored.head.etag, ...(round === undefined ? {} : { round }) };
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'OBJECT_NOT_FOUND') return {};
    throw thrown;
  }
}

/** Unless somebody wrote another one since `before` was read: that stands. Throws what the store throws. */
export async function keepSweepPosition(store: ObjectStore, { etag }: SweepPosition, round: SweepRound): Promise<void> {
  try {
    await store.put(KEY, encode(round), etag === undefined ? { ifAbsent: true } : { ifMatch: etag });
  } catch (thrown) {
    if (asStorestowError(thrown).code !== 'PRECONDITION_FAILED') throw thrown;
  }
}

/** Has the sweep that begins next look at all objects. Throws what the store throws. */
export async function sweepAllNext(store: ObjectStore): Promise<void> {
  // No two alike: a sweep under way that read the one before must not take this one for that.
  await store.put(KEY, encode({ all: randomUUID() }));
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function parseRound(bytes: Uint8Array): SweepRound | undefined {
  try {
    return sweepRound.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
  } catch {
    return undefined;
  }
}
