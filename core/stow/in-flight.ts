/** Keys that are being worked on: who needs one of them waits. Keeps two calls from sending one instance, or opening one study, at once. */
export interface InFlight {
  /** Runs `work` when none of `keys` is held by another, and holds all of them meanwhile. They are taken at once: no deadlock. */
  hold<T>(keys: readonly string[], work: () => Promise<T>): Promise<T>;
}

export function createInFlight(): InFlight {
  const held = new Map<string, Promise<void>>();
  return {
    async hold(keys, work) {
      for (;;) {
        const busy = keys.flatMap((key) => held.get(key) ?? []);
        if (busy.length === 0) break;
        await Promise.all(busy);
      }
      const { promise, resolve } = Promise.withResolvers<undefined>();
      for (const key of keys) held.set(key, promise);
      try {
        return await work();
      } finally {
        for (const key of keys) held.delete(key);
        resolve(undefined);
      }
    },
  };
}
