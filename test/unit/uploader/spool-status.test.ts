import { describe, expect, it } from 'vitest';
import {
  SpoolCount,
  stateOf,
  statusExitCode,
  type NotedFile,
  type SpoolFile,
  type SpoolStatus,
} from '../../../local-uploader/status/spool-status.ts';
import { spoolStatus, type SpoolFacts } from '../../support/spool-status.ts';

const now = new Date('2026-11-25T12:00:00Z');
const ago = (minutes: number): Date => new Date(now.getTime() - minutes * 60_000);
const file = (path: string, minutes: number, more: Partial<SpoolFile> = {}): SpoolFile => ({
  path,
  size: 1000,
  modified: ago(minutes),
  receiving: false,
  ...more,
});
const noted = (outcome: NotedFile['outcome'], more: Partial<NotedFile> = {}): NotedFile => ({
  outcome,
  retryable: false,
  at: ago(1),
  ...more,
});
const facts = (more: Partial<SpoolFacts> = {}): SpoolFacts => ({
  files: [],
  others: [],
  noted: new Map(),
  sending: new Map(),
  today: { studies: 0, instances: 0, bytes: 0 },
  minutes: [],
  disk: { freeBytes: 1_000_000, totalBytes: 2_000_000, freeFiles: 500, totalFiles: 1000 },
  now,
  ...more,
});

describe('stateOf', () => {
  it.each([
    ['being received', file('a', 5, { receiving: true }), noted('damaged'), true, 'receiving'],
    ['being sent', file('a', 5), undefined, true, 'uploading'],
    ['nothing is known', file('a', 5), undefined, false, 'waiting'],
    ['kept', file('a', 5), noted('kept'), false, 'kept'],
    ['written since it was kept', file('a', 0), noted('kept'), false, 'waiting'],
    ['foreign', file('a', 5), noted('foreign'), false, 'foreign'],
    ['the bucket was away', file('a', 5), noted('failed', { retryable: true }), false, 'waiting'],
    ['refused', file('a', 5), noted('failed'), false, 'failed'],
    ['cut', file('a', 5), noted('damaged'), false, 'failed'],
    ['could not be put away', file('a', 5), noted('uploaded'), false, 'failed'],
  ] as const)('%s', (_, one, last, sending, expected) => {
    expect(stateOf(one, last, sending)).toBe(expected);
  });
});

describe('spoolStatus', () => {
  it('counts each file once, studies by what is known of them, and why the last try failed', () => {
    const status = spoolStatus(
      facts({
        files: [
          file('young', 1, { receiving: true }),
          file('sent', 2),
          file('a', 3),
          file('b', 30),
          file('c', 4),
          file('cut', 5),
          file('text', 6),
        ],
        others: ['link'],
        sending: new Map([['sent', '1.2']]),
        noted: new Map([
          ['a', noted('failed', { retryable: true, study: '1.1' })],
          ['b', noted('failed', { retryable: true, study: '1.1' })],
          ['c', noted('failed', { retryable: true, code: 'STORE_UNAVAILABLE', study: '1.3' })],
          ['cut', noted('damaged', { code: 'TRUNCATED', study: '1.9' })],
          ['text', noted('foreign', { code: 'NOT_PART10' })],
        ]),
      }),
    );
    expect(status).toMatchObject({
      receiving: { instances: 1, bytes: 1000 },
      uploading: { studies: 1, instances: 1 },
      waiting: { studies: 2, studiesKnown: true, instances: 3, bytes: 3000, oldest: ago(30) },
      failed: [{ path: 'cut', code: 'TRUNCATED' }],
      foreign: [{ path: 'text', code: 'NOT_PART10' }, { path: 'link' }],
      reasons: { STORE_UNAVAILABLE: 1 },
    });
  });

  it('says where it may not know all studies', () => {
    const known = new Map([['b', noted('failed', { retryable: true, study: '1.1' })]]);
    const { waiting } = spoolStatus(facts({ files: [file('a', 1), file('b', 1)], noted: known }));
    expect(waiting).toMatchObject({ studies: 1, studiesKnown: false, instances: 2 });
  });

  it('has the oldest of those that wait looked into, and nothing else; then it knows their studies', () => {
    const count = new SpoolCount({ now, lookedInto: 2 });
    for (const minutes of [3, 9, 5, 7, 1, 8]) count.add(file(`${minutes}`, minutes), undefined, undefined);
    count.add(file('sent', 60), undefined, '1.2');
    count.add(file('young', 60, { receiving: true }), undefined, undefined);
    count.add(file('text', 60), noted('foreign'), undefined);
    count.add(file('known', 60), noted('failed', { retryable: true, study: '1.3' }), undefined);
    expect(count.unknown()).toEqual(['9', '8']);
    for (const study of ['1.1', '1.1']) count.addStudy(study);
    const waiting = (): SpoolStatus['waiting'] => count.status(facts(), facts().disk).waiting;
    expect(waiting()).toMatchObject({ studies: 2, studiesKnown: false, instances: 7 });
    for (const study of ['1.4', '1.5', '1.6', '1.7']) count.addStudy(study);
    expect(waiting()).toMatchObject({ studies: 6, studiesKnown: true });
  });

  it('has the rate of the last ten minutes', () => {
    const minutes = [1, 5, 60].map((minute) => ({ at: ago(minute), instances: 30, bytes: 60_000 }));
    expect(spoolStatus(facts({ minutes })).rate).toEqual({ instancesPerMinute: 6, bytesPerSecond: 200 });
  });

  const look = (minutes: number, freeBytes: number, freeFiles = 500): SpoolFacts['minutes'][number] => ({
    ...{ at: ago(minutes), instances: 0, bytes: 0 },
    ...{ freeBytes, freeFiles },
  });

  it.each<[string, Partial<SpoolFacts>, number | undefined]>([
    ['nothing happened', {}, undefined],
    ['what the disk lost in an hour decides', { minutes: [look(60, 1_360_000), look(30, 9_000_000)] }, 10_000],
    ['a look of long ago does not', { minutes: [look(90, 9_000_000), look(60, 1_360_000)] }, 10_000],
    ['it has got emptier', { minutes: [look(60, 900_000)] }, undefined],
    ['inodes go first', { minutes: [look(60, 1_360_000, 860)] }, 5000],
    [
      'looks are too close: what arrived and waits',
      { minutes: [look(1, 9_000_000)], files: [file('a', 10, { size: 360_000 })] },
      10_000,
    ],
    ['no uploader ever looked: likewise', { files: [file('a', 10, { size: 360_000 }), file('b', 90, { size: 9e9 })] }, 10_000],
    [
      'a file system without inodes',
      { minutes: [look(60, 1_360_000, 860)], disk: { freeBytes: 1_000_000, totalBytes: 2_000_000, freeFiles: 0, totalFiles: 0 } },
      10_000,
    ],
  ])('until the disk is full: %s', (_, more, seconds) => {
    expect(spoolStatus(facts(more)).disk.fullInSeconds).toBe(seconds);
  });
});

describe('statusExitCode', () => {
  const quiet = spoolStatus(facts());
  const waiting = (minutes: number): Partial<SpoolStatus> => ({
    waiting: { ...quiet.waiting, instances: 1, oldest: ago(minutes) },
  });

  it.each<[string, Partial<SpoolStatus>, number]>([
    ['quiet', {}, 0],
    ['foreign files', { foreign: [{ path: 'a' }] }, 0],
    ['young files wait', waiting(14), 0],
    ['an old file waits', waiting(16), 75],
    ['a try failed', { ...waiting(1), reasons: { STORE_UNAVAILABLE: 1 } }, 75],
    ['the disk is full tomorrow', { disk: { ...quiet.disk, fullInSeconds: 25 * 3600 } }, 0],
    ['the disk is full today', { disk: { ...quiet.disk, fullInSeconds: 23 * 3600 } }, 75],
    ['little space', { disk: { ...quiet.disk, freeBytes: 99_999 } }, 75],
    ['few inodes', { disk: { ...quiet.disk, freeFiles: 49 } }, 75],
    ['a failed file, whatever else', { ...waiting(16), failed: [{ path: 'a' }] }, 1],
  ])('%s', (_, more, code) => {
    expect(statusExitCode({ ...quiet, ...more })).toBe(code);
  });
});
