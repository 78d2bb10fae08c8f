/** When the spool's disk is short of room, and when that is to be told. Pure. */
import type { DiskThresholds } from '../../core/config/schema.ts';

export interface Disk {
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** How many more files the file system takes; 0 of 0 where it has no bound. */
  readonly freeFiles: number;
  readonly totalFiles: number;
}

export type Shortage = 'bytes' | 'inodes';

/** Of what a disk has, where no number is given. */
const LITTLE_FREE = 0.05;
/** Of the threshold: as much more must be free until a shortage is over, so that one file more or less is not told each time. */
const OVER_AT = 1.125;
/** Milliseconds between two words about a shortage that lasts. */
const TOLD_AGAIN = 60 * 60 * 1000;

/** `factor` of the thresholds is what must be free. */
export function shortagesOf(disk: Disk, { warnFreeBytes, warnFreeInodes }: DiskThresholds, factor = 1): readonly Shortage[] {
  const bytes = warnFreeBytes ?? disk.totalBytes * LITTLE_FREE;
  const inodes = warnFreeInodes ?? disk.totalFiles * LITTLE_FREE;
  return [
    ...(disk.freeBytes < bytes * factor ? (['bytes'] as const) : []),
    ...(disk.totalFiles > 0 && disk.freeFiles < inodes * factor ? (['inodes'] as const) : []),
  ];
}

export interface DiskAlarm {
  readonly short: readonly Shortage[];
  /** When something was last said. */
  readonly toldAt: Date;
}

export interface DiskDecision {
  /** Absent: there is room. */
  readonly alarm?: DiskAlarm;
  readonly tell?: 'short' | 'over';
}

/**
 * | before      | now                                              | then                  |
 * |-------------|--------------------------------------------------|-----------------------|
 * | room        | below no threshold                               | room                  |
 * | room        | below one                                        | short, told           |
 * | short       | below another one, too                           | short, told           |
 * | short       | below one, or less than an eighth above; told within the hour | short      |
 * | short       | the same; told an hour ago                       | short, told           |
 * | short       | each an eighth above                             | room, told            |
 */
export function decideDisk(before: DiskAlarm | undefined, disk: Disk, thresholds: DiskThresholds, now: Date): DiskDecision {
  const below = shortagesOf(disk, thresholds);
  const notOver = shortagesOf(disk, thresholds, OVER_AT);
  const known = before?.short ?? [];
  const short = notOver.filter((one) => below.includes(one) || known.includes(one));
  if (short.length === 0) return before === undefined ? {} : { tell: 'over' };
  const worse = short.some((one) => !known.includes(one));
  const toldAt = before?.toldAt;
  if (!worse && toldAt !== undefined && now.getTime() - toldAt.getTime() < TOLD_AGAIN) return { alarm: { short, toldAt } };
  return { alarm: { short, toldAt: now }, tell: 'short' };
}
