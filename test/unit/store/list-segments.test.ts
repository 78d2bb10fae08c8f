import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listSegments } from '../../../core/store/list-segments.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ListOptions, ObjectStore } from '../../../core/store/object-store.ts';

async function filled(keys: readonly string[]): Promise<ObjectStore> {
  const store = createMemoryStore();
  for (const key of keys) await store.put(key, new Uint8Array());
  return store;
}

describe('listSegments', () => {
  it('gives each segment once, whatever stands before and behind the slash in key order', async () => {
    const segments = ['a', 'a-b', 'a.b', 'a0', 'a00', 'aa', 'A', '%C3%A4', 'ä', '0', '-'];
    const store = await filled(segments.flatMap((name) => [`p/${name}/x`, `p/${name}/y/z`, `q/${name}/x`]).concat('p/file', 'p'));
    expect((await Array.fromAsync(listSegments(store, 'p/'))).toSorted()).toEqual(segments.toSorted());
  });

  it('for any keys, those that splitting them gives', async () => {
    const part = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.', '0', '1', '~', 'é'), minLength: 1, maxLength: 3 });
    const usable = part.filter((text) => !/^\.+$/.test(text));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(usable, usable), { maxLength: 12 }), async (pairs) => {
        const store = await filled(pairs.map(([one, two]) => `p/${one}/${two}`));
        const expected = [...new Set(pairs.map(([one]) => one))].toSorted();
        expect((await Array.fromAsync(listSegments(store, 'p/'))).toSorted()).toEqual(expected);
      }),
    );
  });

  it('asks once for each segment, and once more', async () => {
    const store = await filled(['p/a/1', 'p/a/2', 'p/a/3', 'p/b/1', 'p/b/2']);
    let asked = 0;
    const counting = Object.assign(Object.create(store) as ObjectStore, {
      list(options: ListOptions) {
        asked += 1;
        return store.list(options);
      },
    });
    expect(await Array.fromAsync(listSegments(counting, 'p/'))).toEqual(['a', 'b']);
    expect(asked).toBe(3);
  });
});
