import { describe, expect, it } from 'vitest';
import { TAKING, type BucketState } from '../../../local-uploader/outage/bucket-state.ts';
import { decideRound, pauseOfFile, pauseWithinRound } from '../../../local-uploader/outage/decide-round.ts';

const out = (probes: number): BucketState => ({ state: 'out', outage: outage(probes) });
const outage = (probes: number) => ({ since: new Date(0), code: 'STORE_UNAVAILABLE', sent: 'instance', probes }) as const;

describe('pauseOfFile', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 4],
    [6, 32],
    [7, 60],
    [5000, 60],
  ])('after failure %d: %d minutes', (failures, minutes) => {
    expect(pauseOfFile(failures)).toBe(minutes * 60_000);
  });
});

describe('decideRound', () => {
  it.each<[string, BucketState, number, number | undefined]>([
    ['takes all', TAKING, 0.5, undefined],
    ['is back', { state: 'back', outage: outage(9) }, 0.5, 0],
    ['was not asked', { state: 'probing', outage: outage(9), tried: false }, 0.5, 0],
    ['is out since now, at the least', out(0), 0, 500],
    ['is out since now, at the most', out(0), 1, 1000],
    ['after a probe', out(1), 1, 2000],
    ['after five probes', out(5), 1, 32_000],
    ['after six probes: a minute', out(6), 1, 60_000],
    ['after a day of probes', out(1500), 1, 60_000],
    ['after a day of probes, at the least', out(1500), 0, 30_000],
  ])('a bucket that %s', (_, bucket, random, after) => {
    expect(decideRound(bucket, random)).toEqual(after === undefined ? {} : { after });
  });
});

describe('pauseWithinRound', () => {
  it.each<[string, BucketState, number]>([
    ['takes all', TAKING, 60_000],
    ['is back', { state: 'back', outage: outage(9) }, 0],
    ['was not asked', { state: 'probing', outage: outage(9), tried: false }, 10_000],
    ['is out', out(2), 4000],
  ])('a bucket that %s', (_, bucket, after) => {
    expect(pauseWithinRound(bucket, 1)).toBe(after);
  });
});
