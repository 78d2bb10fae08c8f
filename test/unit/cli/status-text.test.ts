import { describe, expect, it } from 'vitest';
import { duration, statusText } from '../../../cli/status-text.ts';
import type { SpoolStatus } from '../../../local-uploader/status/spool-status.ts';

const status: SpoolStatus = {
  at: new Date('2026-11-25T12:00:00Z'),
  waiting: { studies: 1, studiesKnown: false, instances: 3, bytes: 3000, oldest: new Date('2026-11-25T09:30:00Z') },
  receiving: { instances: 1, bytes: 500 },
  uploading: { studies: 2, instances: 16 },
  doneToday: { studies: 5, instances: 700, bytes: 350_000_000 },
  failed: Array.from({ length: 22 }, (_, index) => ({ path: `/spool/\u001b[2J${index}`, code: 'TRUNCATED' as const })),
  foreign: [{ path: '/spool/link' }],
  setAside: { damaged: ['/spool/set-aside/damaged/a'], foreign: [] },
  reasons: { STORE_UNAVAILABLE: 3 },
  rate: { instancesPerMinute: 12.34, bytesPerSecond: 1_234_567.8 },
  disk: { freeBytes: 5e9, totalBytes: 1e10, freeFiles: 99, totalFiles: 100, fullInSeconds: 100_000 },
};

describe('statusText', () => {
  it('says all of it, a line each', () => {
    expect(statusText(status).split('\n').slice(0, 11)).toEqual([
      'receiving  1 instance, 500 B',
      'waiting    at least 1 study, 3 instances, 3.0 kB; the last try: STORE_UNAVAILABLE 3',
      'oldest     2 h 30 min (2026-11-25T09:30:00.000Z)',
      'uploading  2 studies, 16 instances',
      'done today 5 studies, 700 instances, 350.0 MB',
      'failed     22 files',
      'foreign    1 file',
      'set aside  1 damaged file, 0 foreign files',
      'rate       12.3 instances a minute, 1.2 MB/s (ten minutes)',
      'disk       5.0 GB free, 50 % of it, 99 % of its inodes; full in 1 d 3 h at the present rate',
      'failed /spool/\ufffd[2J0: TRUNCATED',
    ]);
  });

  it('lists the first twenty of a kind', () => {
    const lines = statusText(status).split('\n');
    expect(lines.filter((line) => line.startsWith('failed /'))).toHaveLength(20);
    expect(lines).toContain('failed … and 2 more (--json has all)');
    expect(lines).toContain('foreign /spool/link');
    expect(lines).toContain('set aside /spool/set-aside/damaged/a');
  });

  it.each([undefined, 400 * 86_400])('a disk that is full in %s seconds is not filling', (fullInSeconds) => {
    const disk = {
      freeBytes: 1,
      totalBytes: 1,
      freeFiles: 1,
      totalFiles: 1,
      ...(fullInSeconds === undefined ? {} : { fullInSeconds }),
    };
    const text = statusText({ ...status, disk });
    expect(text).toMatch(/^disk .*; not filling$/m);
  });

  it.each([
    [0.4, '0 s'],
    [59, '59 s'],
    [60, '1 min'],
    [3661, '1 h 1 min'],
    [86_400, '1 d'],
    [90_061, '1 d 1 h'],
  ])('%d seconds: %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text);
  });
});
