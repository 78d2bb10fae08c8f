import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import type { Credentials } from '../../../core/stow/credentials.ts';
import { keepToken, tokenUse, type Token } from '../../../core/stow/kept-token.ts';

describe('tokenUse', () => {
  it.each([
    // life, age in seconds
    [3, 0, 'keep'],
    [3, 1.3, 'keep'],
    [3, 1.4, 'renew'],
    [3, 1.75, 'renew'],
    [3, 1.85, 'replace'],
    [3, 100, 'replace'],
    [300, 238, 'keep'],
    [300, 240, 'renew'],
    [300, 293, 'renew'],
    [300, 295, 'replace'],
    [1, 0.3, 'keep'],
    [1, 0.4, 'renew'],
    [1, 0.46, 'replace'],
    [0, 0, 'replace'],
    [undefined, 1e9, 'keep'],
  ] as const)('life %s s, age %s s → %s', (life, age, use) => {
    expect(tokenUse({ asked: 5000, life }, 5000 + age * 1000)).toBe(use);
  });

  it('never uses a token whose end, in whole seconds, has come', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 86_400 }), fc.nat(999), fc.nat({ max: 86_400_000 }), (life, fraction, age) => {
        const asked = 1_800_000_000_000 + fraction;
        const end = (Math.floor(asked / 1000) + life) * 1000;
        return asked + age < end || tokenUse({ asked, life }, asked + age) === 'replace';
      }),
    );
  });
});

describe('keepToken', () => {
  let time: number;
  let fetches: PromiseWithResolvers<Token>[];
  let credentials: Credentials;
  beforeEach(() => {
    time = 0;
    fetches = [];
    credentials = keepToken(
      () => {
        const fetch = Promise.withResolvers<Token>();
        fetches.push(fetch);
        return fetch.promise;
      },
      { now: () => time },
    );
  });

  const give = (index: number, life: number | undefined = 300): void =>
    fetches[index]?.resolve({ value: `T${String(index)}`, asked: time, life });
  const down = new StorestowError('TOKEN_UNAVAILABLE', 'down');

  it('is fetched once for all that ask at the same time', async () => {
    const asked = [credentials.header(), credentials.header(), credentials.header()];
    give(0);
    expect(await Promise.all(asked)).toEqual(['Bearer T0', 'Bearer T0', 'Bearer T0']);
    expect(await credentials.header()).toBe('Bearer T0');
    expect(fetches).toHaveLength(1);
  });

  it('is renewed while it still serves, nobody waiting for it', async () => {
    const first = credentials.header();
    give(0);
    await first;
    time = 250_000;
    expect([await credentials.header(), await credentials.header()]).toEqual(['Bearer T0', 'Bearer T0']);
    expect(fetches).toHaveLength(2);
    give(1);
    await new Promise(setImmediate);
    expect(await credentials.header()).toBe('Bearer T1');
  });

  it('outlives a token server that is down until its own end', async () => {
    const first = credentials.header();
    give(0);
    await first;
    time = 250_000;
    expect(await credentials.header()).toBe('Bearer T0');
    fetches[1]?.reject(down);
    await new Promise(setImmediate);
    expect(await credentials.header()).toBe('Bearer T0');
    expect(fetches).toHaveLength(2);
    time += 1001;
    expect(await credentials.header()).toBe('Bearer T0');
    expect(fetches).toHaveLength(3);
    time = 299_500;
    const waiting = credentials.header();
    fetches[2]?.reject(down);
    await expect(waiting).rejects.toBe(down);
  });

  it('is fetched anew after a fetch that failed', async () => {
    const failing = credentials.header();
    fetches[0]?.reject(down);
    await expect(failing).rejects.toBe(down);
    const next = credentials.header();
    give(1);
    expect(await next).toBe('Bearer T1');
  });

  it('is renewed once for all whose requests were refused', async () => {
    const first = credentials.header();
    give(0);
    const refused = await first;
    const renewals = [credentials.renew(refused), credentials.renew(refused)];
    give(1);
    expect(await Promise.all(renewals)).toEqual([true, true]);
    expect(await credentials.renew(refused)).toBe(true);
    expect(fetches).toHaveLength(2);
    expect(await credentials.header()).toBe('Bearer T1');
  });

  it('is no other one where the token server gives the same again', async () => {
    const first = credentials.header();
    fetches[0]?.resolve({ value: 'same', asked: 0, life: undefined });
    const renewal = credentials.renew(await first);
    fetches[1]?.resolve({ value: 'same', asked: 0, life: undefined });
    expect(await renewal).toBe(false);
  });
});
