import { describe, expect, it } from 'vitest';
import { firstRound, isTurn, nextRound, type SweepRound } from '../../../functions/sweep/sweep-round.ts';

const HOUR = 60 * 60_000;
const DAY = 24 * HOUR;
const NOW = Date.parse('2026-11-26T00:00:00Z');

/** So many of each hundred keys have their turn in a round, that many days after they arrived. */
function share(days: number, round: SweepRound): number {
  const lastModified = new Date(NOW - days * DAY);
  const keys = Array.from({ length: 4800 }, (_, index) => `incoming/a/CT@10.0.0.1/1.2/1.3/1.4.${index}~000000000000.dcm`);
  return (keys.filter((key) => isTurn({ key, lastModified }, round, NOW)).length / keys.length) * 100;
}

describe('isTurn', () => {
  const whole: SweepRound = { number: 7, begun: NOW, seen: NOW };
  const table: [string, number, SweepRound, number][] = [
    ['no round came to the end', 999, { number: 7, begun: NOW }, 1],
    ['arrived after the last round began', 9, { ...whole, seen: NOW - 9.1 * DAY }, 1],
    ['arrived a day before it', 10, { ...whole, seen: NOW - 9 * DAY }, 1],
    ['just arrived', 0, whole, 1],
    ['almost two days', 1.99, whole, 1],
    ['two days', 2, whole, 2],
    ['almost four days', 3.99, whole, 2],
    ['four days', 4, whole, 4],
    ['almost eight days', 7.99, whole, 4],
    ['eight days', 8, whole, 8],
    ['almost 24 days', 23.99, whole, 8],
    ['24 days', 24, whole, 24],
    ['years', 4000, whole, 24],
    ['24 days, and the last round began later than now', 24, { ...whole, seen: NOW + 99 * DAY }, 24],
    ['a day, and the last round began later than now', 1, { ...whole, seen: NOW + 99 * DAY }, 1],
    ['arrives later than now', -3, whole, 1],
  ];
  it.each(table)('%s', (_name, days, round, apart) => {
    const found = share(days, round);
    if (apart === 1) expect(found).toBe(100);
    else expect(found * apart).toBeGreaterThan(80);
    if (apart > 1) expect(found * apart).toBeLessThan(120);
  });

  it('is that of each old object once in 24 rounds', () => {
    const lastModified = new Date(NOW - 100 * DAY);
    for (const key of ['incoming/a', 'incoming/b', 'incoming/c']) {
      const turns = Array.from({ length: 72 }, (_, number) => isTurn({ key, lastModified }, { ...whole, number }, NOW));
      const first = turns.indexOf(true);
      expect(turns.flatMap((turn, number) => (turn ? [number] : []))).toEqual([first, first + 24, first + 48]);
    }
  });

  /** Hours after its arrival at which an object is looked at, by a sweep an hour but for those in which nobody swept. */
  function looks(key: string, hours: number, isDown: (hour: number) => boolean = () => false): number[] {
    const found: number[] = [];
    let round: SweepRound = { number: 500, begun: NOW - HOUR, seen: NOW - 2 * HOUR };
    for (let hour = 1; hour <= hours; hour++) {
      if (isDown(hour)) continue;
      const now = NOW + hour * HOUR;
      if (isTurn({ key, lastModified: new Date(NOW) }, round, now)) found.push(hour);
      round = nextRound(round, now);
    }
    return found;
  }
  const KEYS = Array.from({ length: 100 }, (_, index) => `incoming/${index}`);

  it('lets none wait for more hours than it is days old, nor for more than a day', () => {
    for (const key of KEYS) {
      const found = looks(key, 60 * 24);
      expect(found[0]).toBe(1);
      const waits = found.slice(1).map((hour, index) => hour - (found[index] ?? 0));
      for (const [index, wait] of waits.entries()) {
        expect(wait, `${key} at ${found[index + 1]}`).toBeLessThanOrEqual(
          Math.max(1, Math.min(24, (found[index + 1] ?? 0) / 24)),
        );
      }
    }
  });

  it('is what it costs: about 150 looks in the first 24 days, then one a day', () => {
    for (const key of KEYS) {
      const found = looks(key, 48 * 24);
      const young = found.filter((hour) => hour <= 24 * 24).length;
      expect(young).toBeGreaterThan(140);
      expect(young).toBeLessThan(156);
      expect(found.length - young).toBeLessThanOrEqual(25);
    }
  });

  it('of what arrived while nobody swept is at the first sweep, however long that lasted', () => {
    for (const key of KEYS) expect(looks(key, 31 * 24, (hour) => hour < 30 * 24)[0]).toBe(30 * 24);
  });

  it('of an old object comes, however many hours are left out between sweeps', () => {
    for (const key of KEYS) {
      const found = looks(key, 200 * 24, (hour) => hour % 24 !== 0);
      expect(found.filter((hour) => hour > 50 * 24).length).toBeGreaterThanOrEqual(6);
    }
  });
});

describe('rounds', () => {
  it('count, and know when the one before began', () => {
    const [first, second, third] = [firstRound(10), nextRound(firstRound(10), 20), nextRound(nextRound(firstRound(10), 20), 30)];
    expect([first, second, third]).toEqual([
      { number: 0, begun: 10 },
      { number: 1, begun: 20, seen: 10 },
      { number: 2, begun: 30, seen: 20 },
    ]);
    expect(nextRound({ ...third, after: 'incoming/x' }, 40)).toEqual({ number: 3, begun: 40, seen: 30 });
  });
});
