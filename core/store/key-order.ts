/** The order of keys in a bucket: that of their UTF-8 bytes, which is not JavaScript's (UTF-16) where a key leaves the BMP. */
export function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/**
 * Where a listing starts, so that an adapter needs one bound only.
 *
 * | `after`                        | the first key listed        |
 * |--------------------------------|-----------------------------|
 * | absent, or before `prefix`     | `prefix` itself, or later   |
 * | begins with `prefix`           | the next one after it       |
 * | behind every key with `prefix` | none: `undefined`           |
 */
export function listingStart(prefix: string, after: string | undefined): { key: string; inclusive: boolean } | undefined {
  if (after === undefined) return { key: prefix, inclusive: true };
  if (after.startsWith(prefix)) return { key: after, inclusive: false };
  return compareKeys(after, prefix) < 0 ? { key: prefix, inclusive: true } : undefined;
}
