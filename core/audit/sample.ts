/** A random sample of a stream of unknown length, the same one for the same seed whatever the order. */
import { hash } from 'node:crypto';

interface Drawn<Row> {
  readonly lot: string;
  readonly row: Row;
}

/**
 * Each row draws a lot, the SHA-256 of the seed and its key, and the `size` lowest are kept: every row has the same chance, rows that
 * come or go leave the lots of the others as they are, and `size` rows are in memory. In the order of their keys.
 */
export async function sampleRows<Row extends { readonly key: string }>(
  rows: AsyncIterable<Row>,
  size: number,
  seed: string,
): Promise<Row[]> {
  const lowest: Drawn<Row>[] = [];
  for await (const row of rows) {
    const lot = hash('sha256', `${seed}\0${row.key}`, 'hex');
    if (lowest.length >= size && lot >= (lowest.at(-1)?.lot ?? '')) continue;
    lowest.splice(placeOf(lot, lowest), 0, { lot, row });
    if (lowest.length > size) lowest.pop();
  }
  return lowest.map(({ row }) => row).sort((a, b) => (a.key < b.key ? -1 : 1));
}

function placeOf(lot: string, sorted: readonly Drawn<unknown>[]): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((sorted[middle]?.lot ?? '') < lot) from = middle + 1;
    else to = middle;
  }
  return from;
}
