import { describe, expect, it } from 'vitest';
import { sitesText, type JudgedSite } from '../../../cli/sites-text.ts';
import { StorestowError } from '../../../core/errors.ts';

const at = '2026-11-25T12:00:00.000Z';
const site = (more: Partial<JudgedSite> = {}): JudgedSite => ({
  key: 'heartbeats/north.json',
  judgement: 'well',
  ageInSeconds: 40,
  takenAt: new Date(at),
  heartbeat: {
    version: 1,
    site: 'north',
    at,
    storestow: '1.2.3',
    backlog: { instances: 812, bytes: 426_000_000, oldest: '2026-11-25T10:58:00.000Z' },
    failed: 2,
    setAside: { foreign: 1, damaged: 3 },
    doneToday: { instances: 1, bytes: 1 },
    disk: { freeBytes: 1.2e9, fullInSeconds: 18_000 },
    lastError: { code: 'STORE_FULL', at },
  },
  ...more,
});

/** The cells of the first row. */
function cells(text: string): string[] {
  const [, , row = ''] = text.split('\n');
  return row
    .split('│')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

describe('sitesText', () => {
  it('has a row for each site', () => {
    expect(cells(sitesText([site()]))).toEqual([
      ...['north', 'well', '40 s ago', '812, 426.0 MB', '1 h 2 min', '2', '4', '1.2 GB free, full in 5 h', 'STORE_FULL', '1.2.3'],
    ]);
  });

  it.each([
    ['2026-11-25T11:00:00Z', '40 s ago, its clock 1 h ahead'],
    ['2026-11-25T13:00:00Z', '40 s ago, its clock 1 h behind'],
  ])('says that its clock is off: taken at %s', (takenAt, text) => {
    expect(cells(sitesText([site({ takenAt: new Date(takenAt) })]))[2]).toBe(text);
  });

  it('names a heartbeat that is none by its key, and lets no character of the network deceive', () => {
    const heartbeat = new StorestowError('HEARTBEAT_INVALID', 'no');
    const text = sitesText([site({ key: 'heartbeats/\u001b[2J', judgement: 'unreadable', heartbeat })]);
    expect(cells(text).slice(0, 2)).toEqual(['heartbeats/\ufffd[2J', 'unreadable']);
    expect(text).toContain('HEARTBEAT_INVALID');
  });

  it('says that there is none', () => {
    expect(sitesText([])).toBe('no site has written a heartbeat to this bucket\n');
  });
});
