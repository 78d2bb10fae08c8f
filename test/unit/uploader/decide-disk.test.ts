import { describe, expect, it } from 'vitest';
import { decideDisk, shortagesOf, type Disk, type DiskAlarm } from '../../../local-uploader/status/decide-disk.ts';

const now = new Date('2026-11-25T12:00:00Z');
const ago = (minutes: number): Date => new Date(now.getTime() - minutes * 60_000);
const disk = (freeBytes: number, freeFiles = 500): Disk => ({ freeBytes, totalBytes: 2000, freeFiles, totalFiles: 1000 });
const noBound: Disk = { ...disk(1000, 0), totalFiles: 0 };
const short = (minutes: number, ...kinds: DiskAlarm['short']): DiskAlarm => ({ short: kinds, toldAt: ago(minutes) });

describe('shortagesOf', () => {
  it.each([
    ['5 % are free', disk(100, 50), {}, []],
    ['less of its room', disk(99), {}, ['bytes']],
    ['less of its inodes', disk(1000, 49), {}, ['inodes']],
    ['less of both', disk(99, 49), {}, ['bytes', 'inodes']],
    ['no bound on files', noBound, { warnFreeInodes: 10 }, []],
    ['less than the bytes that are set', disk(1499), { warnFreeBytes: 1500 }, ['bytes']],
    ['more than the bytes that are set, and less than 5 %', disk(50), { warnFreeBytes: 40 }, []],
    ['less than the inodes that are set', disk(1000, 599), { warnFreeInodes: 600 }, ['inodes']],
  ] as const)('%s', (_, given, thresholds, shortages) => {
    expect(shortagesOf(given, thresholds)).toEqual(shortages);
  });
});

describe('decideDisk, where 100 bytes and 50 inodes must be free', () => {
  it.each<[string, DiskAlarm | undefined, Disk, ReturnType<typeof decideDisk>]>([
    ['there is room', undefined, disk(100), {}],
    ['it gets short', undefined, disk(99), { alarm: short(0, 'bytes'), tell: 'short' }],
    ['it is still short', short(59, 'bytes'), disk(90), { alarm: short(59, 'bytes') }],
    ['for an hour', short(60, 'bytes'), disk(90), { alarm: short(0, 'bytes'), tell: 'short' }],
    ['inodes get short, too', short(5, 'bytes'), disk(90, 49), { alarm: short(0, 'bytes', 'inodes'), tell: 'short' }],
    ['a little above is not over', short(5, 'bytes'), disk(112), { alarm: short(5, 'bytes') }],
    ['a little above for an hour', short(61, 'bytes'), disk(112), { alarm: short(0, 'bytes'), tell: 'short' }],
    ['an eighth above is over', short(5, 'bytes'), disk(113), { tell: 'over' }],
    ['one of two is over', short(5, 'bytes', 'inodes'), disk(113, 49), { alarm: short(5, 'inodes') }],
    ['a little above was never short', undefined, disk(105), {}],
  ])('%s', (_, before, given, decision) => {
    expect(decideDisk(before, given, {}, now)).toEqual(decision);
  });
});
