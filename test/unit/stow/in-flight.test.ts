import { describe, expect, it } from 'vitest';
import { createInFlight } from '../../../core/stow/in-flight.ts';

describe('createInFlight', () => {
  it('runs what shares a key one after the other, and the rest at once', async () => {
    const inFlight = createInFlight();
    const events: string[] = [];
    const gates = new Map(['a', 'b', 'c'].map((name) => [name, Promise.withResolvers<undefined>()]));
    const run = async (name: string, keys: readonly string[]): Promise<void> =>
      inFlight.hold(keys, async () => {
        events.push(`${name} begins`);
        await gates.get(name)?.promise;
        events.push(`${name} ends`);
      });
    const all = [run('a', ['1', '2']), run('b', ['2', '3']), run('c', ['4'])];
    gates.get('c')?.resolve(undefined);
    await all[2];
    expect(events).toEqual(['a begins', 'c begins', 'c ends']);
    gates.get('a')?.resolve(undefined);
    gates.get('b')?.resolve(undefined);
    await Promise.all(all);
    expect(events.slice(3)).toEqual(['a ends', 'b begins', 'b ends']);
  });

  it('lets go after a failure', async () => {
    const inFlight = createInFlight();
    await expect(inFlight.hold(['1'], async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(inFlight.hold(['1'], async () => Promise.resolve('yes'))).resolves.toBe('yes');
  });
});
