import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { forEachConcurrently, mapInOrder } from '../../core/concurrency.ts';

/** Works that end when the test says so, by number. */
function manual(): { work: (input: number) => Promise<number>; begun: number[]; end: (input: number) => void } {
  const begun: number[] = [];
  const endings = new Map<number, (value: number) => void>();
  return {
    begun,
    work: (input) => {
      begun.push(input);
      return new Promise((resolve) => endings.set(input, resolve));
    },
    end: (input) => endings.get(input)?.(input * 10),
  };
}

/** Whatever promises alone can do is done. */
async function settled(): Promise<void> {
  await setImmediate();
}

describe('forEachConcurrently', () => {
  it('begins the inputs in their order, at most so many at once, and takes no more of them than it begins', async () => {
    const { work, begun, end } = manual();
    let taken = 0;
    const inputs = function* (): Generator<number> {
      for (taken = 1; taken <= 4; taken++) yield taken;
    };
    const all = forEachConcurrently(inputs(), 2, async (input) => void (await work(input)));
    await settled();
    expect({ begun, taken }).toEqual({ begun: [1, 2], taken: 2 });
    end(2);
    await settled();
    expect(begun).toEqual([1, 2, 3]);
    for (const input of [1, 3]) end(input);
    await settled();
    end(4);
    await all;
    expect(begun).toEqual([1, 2, 3, 4]);
  });

  it('rejects with the first rejection, and begins nothing more', async () => {
    const begun: number[] = [];
    const all = forEachConcurrently([1, 2, 3, 4, 5, 6], 2, async (input) => {
      begun.push(input);
      await settled();
      if (input === 1) throw new Error(String(input));
    });
    await expect(all).rejects.toThrow('1');
    await settled();
    expect(begun.length).toBeLessThan(5);
  });
});

describe('mapInOrder', () => {
  it('gives results in the order of the inputs, whichever is done first, at most so many at once', async () => {
    const { work, begun, end } = manual();
    const results: number[] = [];
    const reading = (async () => {
      for await (const result of mapInOrder([1, 2, 3], 2, work)) results.push(result);
    })();
    await settled();
    expect(begun).toEqual([1, 2]);
    end(2);
    await settled();
    expect({ begun, results }).toEqual({ begun: [1, 2, 3], results: [] });
    end(1);
    await settled();
    expect(results).toEqual([10, 20]);
    end(3);
    await reading;
    expect(results).toEqual([10, 20, 30]);
  });

  it('gives each result as soon as those before it are given, and begins no more than it may hold', async () => {
    let begun = 0;
    const inputs = Array.from({ length: 1000 }, (_, index) => index);
    const results = mapInOrder(inputs, 1, async (input) => {
      begun += 1;
      return input;
    });
    expect(await results.next()).toEqual({ done: false, value: 0 });
    await settled();
    expect(begun).toBe(64);
    await results.return(undefined);
  });

  it('takes inputs as they come, and begins no more ahead than it is told', async () => {
    const { work, begun, end } = manual();
    let asked = 0;
    async function* inputs(): AsyncGenerator<number> {
      for (const input of [1, 2, 3, 4]) {
        asked += 1;
        await settled();
        yield input;
      }
    }
    const results = mapInOrder(inputs(), 2, work, 2);
    const first = results.next();
    while (begun.length < 2) await settled();
    await settled();
    expect({ asked, begun }).toEqual({ asked: 2, begun: [1, 2] });
    end(1);
    expect(await first).toEqual({ done: false, value: 10 });
    for (const input of [2, 3, 4]) {
      const next = results.next();
      while (!begun.includes(input)) await settled();
      end(input);
      expect(await next).toEqual({ done: false, value: input * 10 });
    }
    expect(await results.next()).toEqual({ done: true, value: undefined });
  });

  it('rejects with the first rejection in the order of the inputs, and begins nothing more', async () => {
    const begun: number[] = [];
    const results = mapInOrder([1, 2, 3, 4, 5], 2, async (input) => {
      begun.push(input);
      await settled();
      if (input <= 2) throw new Error(String(input));
      return input;
    });
    await expect(Array.fromAsync(results)).rejects.toThrow('1');
    expect(begun.length).toBeLessThan(5);
  });

  it('waits for what is under way when the reader has had enough', async () => {
    const { work, begun, end } = manual();
    const results = mapInOrder([1, 2, 3], 2, work);
    const first = results.next();
    await settled();
    end(1);
    await first;
    await settled();
    let over = false;
    const returned = results.return(undefined).then(() => (over = true));
    await settled();
    expect(over).toBe(false);
    for (const input of begun) end(input);
    await returned;
  });

  it('gives nothing for nothing', async () => {
    expect(await Array.fromAsync(mapInOrder([], 2, async () => 1))).toEqual([]);
  });
});
