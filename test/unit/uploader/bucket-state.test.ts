import { describe, expect, it } from 'vitest';
import {
  afterTry,
  atRoundEnd,
  atRoundStart,
  TAKING,
  type BucketState,
  type Outage,
  type RoundEnd,
  type Sent,
  type TryEnd,
} from '../../../local-uploader/outage/bucket-state.ts';

const began = new Date('2026-11-25T12:00:00Z');
const now = new Date('2026-11-25T13:00:00Z');
const outage: Outage = { since: began, code: 'STORE_UNAVAILABLE', sent: 'instance', probes: 3 };
const out: BucketState = { state: 'out', outage };
const probing: BucketState = { state: 'probing', outage, tried: false };
const back: BucketState = { state: 'back', outage };
const failures = (instance: number, manifest = 0): BucketState => ({ state: 'taking', failures: { instance, manifest } });
const taken: TryEnd = { taken: true };
const failed = (code: Extract<TryEnd, { taken: false }>['code'], othersTaken = false): TryEnd => ({
  taken: false,
  code,
  othersTaken,
  doubtful: false,
});
const doubtful = { ...failed('STORE_UNAVAILABLE'), doubtful: true };
const begins = (code: Outage['code'], sent: Sent = 'instance'): BucketState => ({
  state: 'out',
  outage: { since: now, code, sent, probes: 0 },
});

describe('afterTry', () => {
  it.each<[string, BucketState, Sent, TryEnd, BucketState]>([
    ['taken', TAKING, 'instance', taken, TAKING],
    ['taken after failures', failures(2), 'instance', taken, TAKING],
    ['a taken instance says nothing of manifests', failures(2, 2), 'instance', taken, failures(0, 2)],
    ['a conflict is an answer', failures(2), 'instance', failed('CONFLICT'), TAKING],
    ['the file was written', failures(2), 'instance', failed('FILE_CHANGED'), failures(2)],
    ['no answer, nothing taken meanwhile', TAKING, 'instance', failed('STORE_UNAVAILABLE'), begins('STORE_UNAVAILABLE')],
    ['no answer, others taken meanwhile', TAKING, 'instance', failed('STORE_UNAVAILABLE', true), TAKING],
    ['no answer, of a doubtful file', failures(2), 'instance', doubtful, failures(2)],
    ['the probe fails, of a doubtful file', probing, 'instance', doubtful, { state: 'out', outage: { ...outage, probes: 4 } }],
    ['no room', TAKING, 'instance', failed('STORE_FULL'), begins('STORE_FULL')],
    ['a wrong clock', TAKING, 'instance', failed('STORE_CLOCK_WRONG'), begins('STORE_CLOCK_WRONG')],
    ['denied once', TAKING, 'instance', failed('STORE_DENIED'), failures(1)],
    ['denied three times', failures(2), 'instance', failed('STORE_DENIED'), begins('STORE_DENIED')],
    ['manifests denied three times', failures(0, 2), 'manifest', failed('STORE_DENIED'), begins('STORE_DENIED', 'manifest')],
    ['a refused key', failures(18), 'instance', failed('STORE_INVALID'), failures(19)],
    ['twenty refused keys', failures(19), 'instance', failed('STORE_INVALID'), begins('STORE_INVALID')],
    ['the archive away, of --direct', TAKING, 'instance', failed('ARCHIVE_UNAVAILABLE'), begins('ARCHIVE_UNAVAILABLE')],
    ['an instance that the archive refuses', TAKING, 'instance', failed('ARCHIVE_REFUSED'), TAKING],
    ['out: another failure', out, 'instance', failed('STORE_UNAVAILABLE'), out],
    ['out: one under way was taken after all', out, 'instance', taken, back],
    ['out: what is taken is of the other kind', out, 'manifest', taken, out],
    ['the probe is taken', probing, 'instance', taken, back],
    ['the probe is answered', probing, 'instance', failed('CONFLICT'), back],
    [
      'the probe fails',
      probing,
      'instance',
      failed('STORE_DENIED'),
      { state: 'out', outage: { ...outage, code: 'STORE_DENIED', probes: 4 } },
    ],
    ['the file of the probe was written', probing, 'instance', failed('FILE_CHANGED'), probing],
    [
      'the probe is taken, and its manifest is what was not',
      { state: 'probing', outage: { ...outage, sent: 'manifest' }, tried: false },
      'instance',
      taken,
      { state: 'probing', outage: { ...outage, sent: 'manifest' }, tried: true },
    ],
    ['back: another one', back, 'instance', taken, back],
    ['back: one fails', back, 'instance', failed('STORE_UNAVAILABLE'), back],
  ])('%s', (_, state, sent, end, expected) => {
    expect(afterTry(state, sent, end, now)).toEqual(expected);
  });
});

describe('atRoundEnd', () => {
  const vain = { sent: 'instance', code: 'STORE_UNAVAILABLE' } as const;
  it.each<[string, BucketState, RoundEnd, BucketState]>([
    ['nothing was to do', TAKING, { taken: false }, TAKING],
    ['doubtful files failed, others went', TAKING, { taken: true, doubtful: vain }, TAKING],
    ['doubtful files failed, and nothing went', TAKING, { taken: false, doubtful: vain }, begins('STORE_UNAVAILABLE')],
    ['an outage lasts', out, { taken: false, doubtful: vain }, out],
  ])('%s', (_, state, round, expected) => {
    expect(atRoundEnd(state, round, now)).toEqual(expected);
  });
});

describe('atRoundStart', () => {
  it.each<[BucketState, BucketState]>([
    [failures(2), failures(2)],
    [out, probing],
    [probing, probing],
    [back, TAKING],
  ])('%o', (before, after) => {
    expect(atRoundStart(before)).toEqual(after);
  });
});
