import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { OldestFirst } from '../../../local-uploader/upload/oldest-first.ts';

describe('OldestFirst', () => {
  let outage: object | undefined;
  let line: OldestFirst;
  /** Under way, in the order in which they began, each with its end. */
  let begun: Map<string, () => void>;

  beforeEach(() => {
    outage = undefined;
    begun = new Map();
    line = new OldestFirst({ most: 2, singly: () => outage });
  });

  function add(name: string, received = 0): void {
    void line.run(received, async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      begun.set(name, resolve);
      await promise;
      begun.delete(name);
    });
  }

  async function end(name: string): Promise<void> {
    (begun.get(name) ?? expect.fail(`${name} has not begun`))();
    await setImmediate();
  }

  const underWay = (): string => [...begun.keys()].join(' ');

  it('lets so many go at once, the oldest next', async () => {
    for (const [index, name] of ['a', 'b', 'young', 'old'].entries()) add(name, name === 'young' ? 9 : index);
    expect(underWay()).toBe('a b');
    await end('a');
    expect(underWay()).toBe('b old');
  });

  it('lets one go at a time in an outage, beside those of before', async () => {
    for (const name of ['a', 'b', 'c', 'd']) add(name);
    outage = {};
    expect(underWay()).toBe('a b');
    line.adapt();
    await setImmediate();
    expect(underWay()).toBe('a b c');
    await end('a');
    expect(underWay()).toBe('b c');
    await end('c');
    expect(underWay()).toBe('b d');
  });

  it('takes one of an outage before for one of before', async () => {
    outage = {};
    for (const name of ['a', 'b', 'c']) add(name);
    expect(underWay()).toBe('a');
    outage = {};
    line.adapt();
    await setImmediate();
    expect(underWay()).toBe('a b');
  });

  it('lets as many go as ever when the outage is over, though none ends', async () => {
    outage = {};
    for (const name of ['a', 'b', 'c']) add(name);
    outage = undefined;
    line.adapt();
    await setImmediate();
    expect(underWay()).toBe('a b');
  });

  it('lets none go until it begins', async () => {
    line = new OldestFirst({ most: 2, held: true });
    add('a', 1);
    add('b', 0);
    await setImmediate();
    expect(underWay()).toBe('');
    line.begin();
    await setImmediate();
    expect(underWay()).toBe('b a');
  });
});
