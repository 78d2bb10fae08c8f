/** The folders of a bucket, so to say, without listing what lies in them. */
import type { ObjectStore } from './object-store.ts';

/** `0` is the character after the slash: in key order all keys `prefix + segment + '/…'` come before `prefix + segment + '0'`. */
const BEHIND_SLASH = '0';

/**
 * The different next segments of the keys that begin with `prefix`, without the slash behind them; in key order, which has `a-b` before
 * `a`. One request each, however much lies below.
 */
export async function* listSegments(store: ObjectStore, prefix: string): AsyncGenerator<string> {
  let after: string | undefined;
  for (;;) {
    const next = await firstSegment(store, prefix, after);
    if (next === undefined) return;
    yield next;
    after = `${prefix}${next}${BEHIND_SLASH}`;
  }
}

/** Of the first key behind `after` that has another slash behind the prefix. */
async function firstSegment(store: ObjectStore, prefix: string, after: string | undefined): Promise<string | undefined> {
  for await (const { key } of store.list({ prefix, ...(after === undefined ? {} : { after }) })) {
    const slash = key.indexOf('/', prefix.length);
    if (slash !== -1) return key.slice(prefix.length, slash);
  }
  return undefined;
}
