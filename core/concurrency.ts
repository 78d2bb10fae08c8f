/** Bounded concurrency (p-limit). */
import pLimit from 'p-limit';

/** Maps in parallel, at most `concurrency` at once; results in the order of the input. The first rejection rejects. */
export async function mapConcurrently<In, Out>(
  inputs: readonly In[],
  concurrency: number,
  work: (input: In, index: number) => Promise<Out>,
): Promise<Out[]> {
  const limit = pLimit(concurrency);
  return Promise.all(inputs.map((input, index) => limit(() => work(input, index))));
}

/** Runs what it is given, at most `concurrency` at once, first come first served. */
export type Limit = <Out>(work: () => Promise<Out>) => Promise<Out>;

export function createLimit(concurrency: number): Limit {
  const limit = pLimit(concurrency);
  return (work) => limit(work);
}
