import { describe, expect, it } from 'vitest';
import type { Heartbeat, SeenHeartbeat } from '../../../core/audit/heartbeat.ts';
import { judgeSite, sitesExitCode, type SiteJudgement } from '../../../core/audit/judge-site.ts';
import { StorestowError } from '../../../core/errors.ts';

const at = '2026-11-25T12:00:00.000Z';
const heartbeat: Heartbeat = {
  version: 1,
  site: 'north',
  at,
  storestow: '0.1.0',
  since: at,
  every: 60,
  backlog: { instances: 0, bytes: 0 },
  failed: 0,
  setAside: { foreign: 0, damaged: 0 },
  doneToday: { instances: 0, bytes: 0 },
  disk: { freeBytes: 1e9 },
};
const seen = (more: Partial<Heartbeat>, ageInSeconds = 30): SeenHeartbeat => ({
  key: 'heartbeats/north.json',
  ageInSeconds,
  takenAt: new Date(at),
  heartbeat: { ...heartbeat, ...more },
});
const waitingSince = (oldest: string): Heartbeat['backlog'] => ({ instances: 1, bytes: 1, oldest });

describe('judgeSite, silent after ten minutes', () => {
  it.each<[string, SeenHeartbeat, SiteJudgement]>([
    ['well', seen({}), 'well'],
    ['ten minutes old', seen({}, 600), 'well'],
    ['older', seen({}, 601), 'silent'],
    ['older, and failed', seen({ failed: 1 }, 601), 'silent'],
    ['of a site that beats each hour', seen({ every: 3600 }, 3 * 3600), 'well'],
    ['three of them missed', seen({ every: 3600 }, 3 * 3600 + 1), 'silent'],
    ['of a run that ended', seen({ every: undefined }, 601), 'silent'],
    ['failed files', seen({ failed: 1 }), 'failed'],
    ['foreign files', seen({ setAside: { foreign: 3, damaged: 0 } }), 'well'],
    ['damaged files', seen({ setAside: { foreign: 0, damaged: 1 } }), 'failed'],
    ['an error', seen({ lastError: { code: 'STORE_FULL', at } }), 'late'],
    ['waits for 15 minutes', seen({ backlog: waitingSince('2026-11-25T11:45:00.000Z') }), 'well'],
    ['waits longer', seen({ backlog: waitingSince('2026-11-25T11:44:59.000Z') }), 'late'],
    ['full in a day', seen({ disk: { freeBytes: 1, fullInSeconds: 86_399 } }), 'late'],
    ['less free than it wants', seen({ disk: { freeBytes: 0, short: ['bytes'] } }), 'late'],
    ['short of nothing', seen({ disk: { freeBytes: 1, short: [] } }), 'well'],
    ['full later', seen({ disk: { freeBytes: 1, fullInSeconds: 86_400 } }), 'well'],
    ['a clock five minutes ahead', { ...seen({}), takenAt: new Date('2026-11-25T11:55:00Z') }, 'well'],
    ['a clock further ahead', { ...seen({}), takenAt: new Date('2026-11-25T11:54:59Z') }, 'late'],
    ['a clock far behind', { ...seen({}), takenAt: new Date('2026-11-25T13:00:00Z') }, 'late'],
    ['none', { ...seen({}), heartbeat: new StorestowError('HEARTBEAT_INVALID', 'no') }, 'unreadable'],
  ])('%s', (_, one, judgement) => {
    expect(judgeSite(one, 600)).toBe(judgement);
  });
});

describe('sitesExitCode', () => {
  it.each<[readonly SiteJudgement[], number]>([
    [[], 1],
    [['well', 'well'], 0],
    [['well', 'late'], 75],
    [['late', 'silent'], 1],
    [['late', 'failed'], 1],
    [['unreadable'], 1],
  ])('%j', (judgements, code) => {
    expect(sitesExitCode(judgements)).toBe(code);
  });
});
