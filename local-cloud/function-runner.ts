/**
 * Lambda on one machine: takes messages from the queue, invokes the handler in a process of its own with the event that SQS
 * would make of them, and does with each message what the answer says. A crash or a time-out is a failed invocation: its
 * messages come back, and nothing else suffers.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { asStorestowError, isErrorCode, StorestowError, type ErrorCode } from '../core/errors.ts';
import type { Log } from '../core/logging.ts';
import { objectCreated } from '../core/store/object-event.ts';
import type { ArrivalMessage, ArrivalsQueue } from './arrivals-queue.ts';
import { FunctionChild } from './function-child.ts';

export interface RunnerOptions {
  readonly queue: ArrivalsQueue;
  /** Absolute path of the module that exports `handler`. */
  readonly handler: string;
  /** For the function's process, beside this one's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Stands in the events. */
  readonly bucket: string;
  readonly log: Log;
  /** Processes, each with one invocation at a time. Default 1: one uses all processors. */
  readonly concurrency?: number;
  /** Messages of one invocation. Default 100. */
  readonly maxBatch?: number;
  /** Milliseconds from the arrival of the first message in which more may join it. Default 150. */
  readonly gather?: number;
  /** Milliseconds between two looks at an empty queue. Default 250. */
  readonly poll?: number;
  /** Milliseconds of one invocation. Default 5 minutes. */
  readonly timeout?: number;
  /** Milliseconds after which another runner takes the messages of one that died. Default 30 s. */
  readonly visibilityTimeout?: number;
  /** What the handler reported of an object, as soon as it stands. */
  readonly onResult?: (result: FunctionResult) => void;
  /** After the last try. */
  readonly onDead?: (key: string, code: ErrorCode) => Promise<void>;
  /** What is done beside the invocations, such as the sweep: at the start, and again and again. */
  readonly tasks?: readonly RepeatedTask[];
}

export interface RepeatedTask {
  /** For the log. */
  readonly name: string;
  /** Gives the milliseconds until it is run again. */
  readonly run: () => Promise<number>;
  /** Milliseconds until it is tried again where it failed. Default 30 s. */
  readonly retryAfter?: number;
}

const functionResult = z.looseObject({
  key: z.string(),
  state: z.string(),
  code: z.string().optional(),
  /** Milliseconds. */
  retryAfter: z
    .number()
    .min(0)
    .max(24 * 60 * 60_000)
    .optional(),
});
/** An `IngestResult`, of which the runner knows no more than this. */
export type FunctionResult = z.output<typeof functionResult>;

const batchResponse = z.looseObject({ batchItemFailures: z.array(z.looseObject({ itemIdentifier: z.string() })) }).nullish();

/** The handler had no time left to begin with the message, or another one was at its study: the message is not to blame. */
const NOT_BEGUN: ReadonlySet<ErrorCode> = new Set(['INVOCATION_TIMEOUT', 'LEASE_HELD']);

/** Milliseconds before the second start of a process that failed, doubling up to the second value. */
const RESTART_DELAYS = [200, 10_000] as const;

/** The module of the ingest function, in the form that this file has: TypeScript source or compiled. */
export const INGEST_HANDLER = fileURLToPath(
  new URL(`../functions/ingest/handler${extname(fileURLToPath(import.meta.url))}`, import.meta.url),
);

export class FunctionRunner {
  readonly #options: RunnerOptions;
  readonly #log: Log;
  readonly #stop = new AbortController();
  #wake = new AbortController();
  readonly #children = new Set<FunctionChild>();
  readonly #drained: PromiseWithResolvers<undefined>[] = [];
  #active = 0;
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#log = options.log;
  }

  /** Resolves when the function's processes are ready. Rejects with `PROCESS_FAILED` where one does not start. */
  async start(): Promise<void> {
    const { concurrency = 1, tasks = [] } = this.#options;
    const children = await Promise.allSettled(Array.from({ length: concurrency }, () => this.#startChild()));
    const failure = children.find((child) => child.status === 'rejected');
    if (failure !== undefined) {
      await Promise.all([...this.#children].map((child) => child.kill()));
      throw asStorestowError(failure.reason);
    }
    const workers = children.flatMap((child) => (child.status === 'fulfilled' ? this.#serve(child.value) : []));
    this.#work = Promise.all([...workers, ...tasks.map((task) => this.#repeat(task))]);
  }

  /** Process IDs of the function's processes, as they are now. */
  get processes(): readonly number[] {
    return [...this.#children].flatMap(({ alive, pid }) => (alive && pid !== undefined ? [pid] : []));
  }

  /** Looks at the queue at once. */
  wake(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  /** Resolves as soon as no message waits, is delayed or under way: all are done, or dead. Rejects where the runner is stopped before. */
  async drained(): Promise<void> {
    const waiting = Promise.withResolvers<undefined>();
    this.#drained.push(waiting);
    this.wake();
    await waiting.promise;
  }

  /** Takes nothing new. What is under way may finish within `grace` ms; then its process is killed and its messages are given back. */
  async stop({ grace = 10_000 }: { readonly grace?: number } = {}): Promise<void> {
    this.#stop.abort();
    this.wake();
    const timer = setTimeout(() => this.#children.forEach((child) => void child.kill()), grace);
    await this.#work;
    clearTimeout(timer);
    await Promise.all([...this.#children].map((child) => child.kill()));
    const stopped = new StorestowError('PROCESS_FAILED', 'stopped before all arrivals were done; start again to go on');
    for (const { reject } of this.#drained.splice(0)) reject(stopped);
  }

  async #startChild(): Promise<FunctionChild> {
    const { handler, env = {} } = this.#options;
    const child = await FunctionChild.start({ handler, env, log: this.#log });
    this.#children.add(child);
    return child;
  }

  async #serve(first: FunctionChild): Promise<void> {
    let child: FunctionChild | undefined = first;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        child ??= await this.#startChild();
        const invoked = await this.#turn(child);
        if (invoked) failures = 0;
      } catch (thrown) {
        failures += 1;
        this.#log.error({ err: asStorestowError(thrown) }, 'the function failed');
        await this.#pause(Math.min(RESTART_DELAYS[1], RESTART_DELAYS[0] * 2 ** (failures - 1)));
      }
      if (child?.alive === false) {
        this.#children.delete(child);
        child = undefined;
      }
    }
  }

  /** One invocation, if there is anything to do; whether it was answered. Throws why it failed. */
  async #turn(child: FunctionChild): Promise<boolean> {
    const { queue, poll = 250 } = this.#options;
    const wake = this.#wake.signal;
    for (const { key, error } of queue.buryExpired()) await this.#bury(key, isErrorCode(error) ? error : 'PROCESS_FAILED');
    const messages = await this.#gather();
    if (messages.length === 0) {
      this.#settleDrained();
      await delay(poll, undefined, { signal: wake }).catch(() => undefined);
      return false;
    }
    this.#active += 1;
    try {
      await this.#invoke(child, messages);
    } finally {
      this.#active -= 1;
    }
    return true;
  }

  async #gather(): Promise<readonly ArrivalMessage[]> {
    const { queue, maxBatch = 100, gather = 150, visibilityTimeout = 30_000 } = this.#options;
    const { count, age } = queue.ready(maxBatch);
    if (count === 0) return [];
    // What came while an invocation was under way has waited already.
    if (count < maxBatch && age < gather) await this.#pause(gather - age);
    return this.#stop.signal.aborted ? [] : queue.receive({ max: maxBatch, visibilityTimeout });
  }

  async #invoke(child: FunctionChild, messages: readonly ArrivalMessage[]): Promise<void> {
    const { queue, timeout = 300_000, visibilityTimeout = 30_000, onResult } = this.#options;
    const codes = new Map<string, ErrorCode>();
    const pauses = new Map<string, number>();
    const heartbeat = setInterval(() => this.#extend(messages, visibilityTimeout), visibilityTimeout / 3);
    let failed: ReadonlySet<string>;
    try {
      const response = await child.invoke(sqsEvent(messages, this.#options.bucket), {
        timeout,
        onResult: (value) => {
          const result = functionResult.safeParse(value);
          if (!result.success) return;
          const { key, code = '', retryAfter } = result.data;
          if (isErrorCode(code)) codes.set(key, code);
          if (retryAfter !== undefined) pauses.set(key, retryAfter);
          onResult?.(result.data);
        },
      });
      failed = failedMessages(response, messages);
    } catch (thrown) {
      const error = asStorestowError(thrown);
      // Of a process that `stop` killed, the messages are not to blame.
      if (this.#stop.signal.aborted && error.code === 'PROCESS_FAILED') this.#giveBack(messages);
      else await this.#release(messages, () => error.code);
      throw error;
    } finally {
      clearInterval(heartbeat);
    }
    queue.delete(messages.filter(({ id }) => !failed.has(String(id))).map(({ receipt }) => receipt));
    const retries = messages.filter(({ id }) => failed.has(String(id)));
    const begun = retries.filter(({ key }) => !NOT_BEGUN.has(codes.get(key) ?? 'INTERNAL'));
    await this.#release(begun, (key) => codes.get(key) ?? 'INTERNAL');
    const notBegun = retries.filter((message) => !begun.includes(message));
    this.#giveBack(notBegun, (key) => pauses.get(key) ?? 0);
  }

  async #release(messages: readonly ArrivalMessage[], codeOf: (key: string) => ErrorCode): Promise<void> {
    for (const { key, receipt } of messages) {
      const error = codeOf(key);
      if (this.#options.queue.release(receipt, { error }) === 'dead') await this.#bury(key, error);
    }
  }

  #giveBack(messages: readonly ArrivalMessage[], pauseOf: (key: string) => number = () => 0): void {
    for (const { key, receipt } of messages) this.#options.queue.giveBack(receipt, pauseOf(key));
  }

  /** Where it fails, the object has no outcome, and the sweep finds it. */
  async #bury(key: string, code: ErrorCode): Promise<void> {
    this.#log.error({ key, code }, 'given up after the last try');
    try {
      await this.#options.onDead?.(key, code);
    } catch (thrown) {
      this.#log.error({ key, code, err: asStorestowError(thrown) }, 'the object could not be marked as failed');
    }
  }

  #extend(messages: readonly ArrivalMessage[], visibilityTimeout: number): void {
    try {
      this.#options.queue.extend(
        messages.map(({ receipt }) => receipt),
        visibilityTimeout,
      );
    } catch (thrown) {
      this.#log.warn({ err: asStorestowError(thrown) }, 'messages under way could not be kept hidden; they may come twice');
    }
  }

  #settleDrained(): void {
    if (this.#drained.length === 0 || this.#active > 0) return;
    const { ready, delayed, inFlight } = this.#options.queue.depth();
    if (ready + delayed + inFlight === 0) for (const { resolve } of this.#drained.splice(0)) resolve(undefined);
  }

  async #repeat({ name, run, retryAfter = 30_000 }: RepeatedTask): Promise<void> {
    while (!this.#stop.signal.aborted) {
      let pause = retryAfter;
      try {
        pause = await run();
      } catch (thrown) {
        this.#log.error({ err: asStorestowError(thrown) }, `${name} failed; it is tried again`);
      }
      await this.#pause(pause);
    }
  }

  /** Ended by `stop`. */
  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
function sqsEvent(messages: readonly ArrivalMessage[], bucket: string): { readonly Records: readonly unknown[] } {
  return {
    Records: messages.map(({ id, key, receipt, receives }) => ({
      messageId: String(id),
      receiptHandle: receipt,
      body: JSON.stringify(objectCreated(bucket, [key])),
      attributes: { ApproximateReceiveCount: String(receives) },
      messageAttributes: {},
      eventSource: 'aws:sqs',
    })),
  };
}

/** As SQS does it: an answer out of form, or one that names a message that was not there, fails them all. */
function failedMessages(response: unknown, messages: readonly ArrivalMessage[]): ReadonlySet<string> {
  const ids = new Set(messages.map(({ id }) => String(id)));
  const parsed = batchResponse.safeParse(response);
  if (!parsed.success) return ids;
  const failed = new Set((parsed.data?.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier));
  return [...failed].every((id) => ids.has(id)) ? failed : ids;
}
