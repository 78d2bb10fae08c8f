/** What the centre makes of a site's heartbeat: whether it is silent, or somebody has to look. Pure. */
import { StorestowError } from '../errors.ts';
import type { SeenHeartbeat } from './heartbeat.ts';

export type SiteJudgement = 'silent' | 'unreadable' | 'failed' | 'late' | 'well';

/** Heartbeats that may be missed. */
const MISSED = 3;
/** Seconds. */
const LATE = 15 * 60;
const SOON_FULL = 24 * 60 * 60;

/** Seconds; S3 itself refuses what is off by 15 minutes, unless the client corrects its own clock. */
const CLOCK_OFF = 5 * 60;

/** Seconds that the site's clock is ahead of the bucket's, where that is much: the times of receipt are its own. */
export function clockAhead({ heartbeat, takenAt }: SeenHeartbeat): number | undefined {
  if (heartbeat instanceof StorestowError) return undefined;
  const ahead = Math.round((Date.parse(heartbeat.at) - takenAt.getTime()) / 1000);
  return Math.abs(ahead) > CLOCK_OFF ? ahead : undefined;
}

/**
 * `silentAfter`: seconds.
 *
 * | heartbeat                                                                             | judgement  |
 * |---------------------------------------------------------------------------------------|------------|
 * | is none                                                                               | unreadable |
 * | older than `silentAfter`, and than three of its own intervals                         | silent     |
 * | has files that failed for good, or were set aside as damaged                          | failed     |
 * | has an error, or files that waited for a quarter of an hour                           | late       |
 * | has a disk that is full within a day, or has less free than the site wants            | late       |
 * | is of a clock that is off by more than five minutes                                   | late       |
 * | anything else                                                                         | well       |
 */
export function judgeSite(seen: SeenHeartbeat, silentAfter: number): SiteJudgement {
  const { heartbeat, ageInSeconds } = seen;
  if (heartbeat instanceof StorestowError) return 'unreadable';
  const { every = 0, failed, setAside, lastError, at, backlog, disk } = heartbeat;
  if (ageInSeconds > Math.max(silentAfter, MISSED * every)) return 'silent';
  if (failed + setAside.damaged > 0) return 'failed';
  // Both are of the site's own clock.
  const waited = backlog.oldest !== undefined && Date.parse(at) - Date.parse(backlog.oldest) > LATE * 1000;
  const soonFull = disk.fullInSeconds !== undefined && disk.fullInSeconds < SOON_FULL;
  const short = disk.short !== undefined && disk.short.length > 0;
  return lastError !== undefined || waited || soonFull || short || clockAhead(seen) !== undefined ? 'late' : 'well';
}

/**
 * | sites                                         | code |
 * |-----------------------------------------------|------|
 * | none, or any silent, unreadable or failed     | 1    |
 * | otherwise any late                            | 75   |
 * | otherwise                                     | 0    |
 */
export function sitesExitCode(judgements: readonly SiteJudgement[]): 0 | 1 | 75 {
  if (judgements.length === 0) return 1;
  if (judgements.some((one) => one === 'silent' || one === 'unreadable' || one === 'failed')) return 1;
  return judgements.includes('late') ? 75 : 0;
}
