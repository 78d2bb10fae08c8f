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

/**
 * Works off the inputs in their order, at most `concurrency` at once, and holds nothing of those that are not begun. The first rejection
 * rejects, and begins nothing more.
 */
export async function forEachConcurrently<In>(
  inputs: Iterable<In>,
  concurrency: number,
  work: (input: In) => Promise<void>,
): Promise<void> {
  const rest = inputs[Symbol.iterator]();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true && !failed; next = rest.next()) await work(next.value);
  };
  const workers = Array.from({ length: concurrency }, worker);
  await Promise.all(workers).finally(() => (failed = true));
}

/** By default, for each that is worked on at once: one that takes long holds up what is given out, not the work. */
const AHEAD = 64;

/**
 * Maps in parallel, at most `concurrency` at once, and gives the results in the order of the inputs, each as soon as those
 * before it are given. `ahead` inputs at most are begun, or their results held, before the first of them is given. The first
 * rejection rejects; who stops reading waits for what is under way.
 */
export async function* mapInOrder<In, Out>(
  inputs: Iterable<In> | AsyncIterable<In>,
  concurrency: number,
  work: (input: In) => Promise<Out>,
  ahead = concurrency * AHEAD,
): AsyncGenerator<Out> {
  const limit = pLimit({ concurrency, rejectOnClear: true });
  const begun: Promise<Out>[] = [];
  try {
    for await (const input of inputs) {
      const result = limit(() => work(input));
      // A rejection is met where the result is awaited, which may be later.
      result.catch(() => undefined);
      begun.push(result);
      if (begun.length >= ahead) yield await (begun.shift() as Promise<Out>);
    }
    for (let next = begun.shift(); next !== undefined; next = begun.shift()) yield await next;
  } finally {
    limit.clearQueue();
    await Promise.allSettled(begun);
  }
}

/** Runs what it is given, at most `concurrency` at once, first come first served. */
export type Limit = <Out>(work: () => Promise<Out>) => Promise<Out>;

export function createLimit(concurrency: number): Limit {
  const limit = pLimit(concurrency);
  return (work) => limit(work);
}
