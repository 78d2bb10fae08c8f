/** The order in which a study's instances go to the archive: those it lists not at all, a new study's first one alone, the rest in parallel. */
import type { Limit } from '../concurrency.ts';
import { asStorestowError } from '../errors.ts';
import { decideResend } from './decide-resend.ts';
import type { InFlight } from './in-flight.ts';
import type { LearnedSize } from './learned-size.ts';
import { isStored, type OutgoingInstance, type Outcome } from './outcome.ts';
import { planRequests, type RequestLimits } from './plan-requests.ts';
import { sendRequest, type SendPorts, type Sent } from './send-request.ts';
import type { Suspicion } from './suspicion.ts';
import type { Unanswered } from './unanswered.ts';

/** Instances that go alone at most until the study is open; requests that fail one after the other until the rest is left for the next run. */
export const MAX_IN_A_ROW = 3;

export interface StorePorts extends SendPorts {
  readonly limits: RequestLimits;
  /** Of the archive, over all studies. */
  readonly learnedSize: LearnedSize;
  readonly suspicion: Suspicion;
  readonly unanswered: Unanswered;
  /** Of requests under way, over all studies. */
  readonly limit: Limit;
  readonly opening: InFlight;
  /** Studies that the archive is known to hold something of. */
  readonly opened: Set<string>;
}

type Outcomes = ReadonlyMap<OutgoingInstance, Outcome>;

interface Progress {
  readonly outcomes: Outcomes;
  /** Why the rest is not sent. */
  readonly halted: Outcome | undefined;
}

const NOTHING_DONE: Progress = { outcomes: new Map(), halted: undefined };

/** Listed before it was sent. */
export const THERE: Outcome = { kind: 'stored', proof: 'listed', alreadyThere: true };

/** One outcome for each instance, in order. All are of one study, no SOP Instance UID twice. */
export async function storeStudy(instances: readonly OutgoingInstance[], ports: StorePorts): Promise<readonly Outcome[]> {
  const { outcomes, halted } = await storeAll(instances, ports);
  return instances.map((instance) => outcomes.get(instance) ?? halted ?? NOT_SENT);
}

const NOT_SENT: Outcome = { kind: 'retryable', code: 'INVOCATION_TIMEOUT', message: 'not sent: the run was stopped before' };

async function storeAll(instances: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  const [first] = instances;
  if (first === undefined) return NOTHING_DONE;
  const study = first.studyInstanceUID;
  try {
    const begun = await begin(study, instances, ports);
    if (begun.halted !== undefined) return begun;
    const rest = instances.filter((instance) => !begun.outcomes.has(instance));
    const sent = await sendInParallel(rest, ports);
    return { outcomes: new Map([...begun.outcomes, ...sent.outcomes]), halted: sent.halted };
  } catch (thrown) {
    return { outcomes: new Map(), halted: unasked(thrown, ports.signal) };
  }
}

/** A study that the archive holds: what it lists already. A new one: its first instance, sent alone. Throws what QIDO-RS throws. */
async function begin(study: string, instances: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  const { opened, opening, qido, signal } = ports;
  if (!opened.has(study)) {
    const first = await opening.hold([study], async () => {
      if (opened.has(study)) return NOTHING_DONE;
      const progress =
        (await qido?.holdsStudy(study, { signal })) === true ? undefined : await sendUntilOneIsStored(instances, ports);
      if (progress === undefined || [...progress.outcomes.values()].some(isStored)) opened.add(study);
      return progress ?? NOTHING_DONE;
    });
    if (first !== NOTHING_DONE) return first;
  }
  const uids = instances.map(({ sopInstanceUID }) => sopInstanceUID);
  const listed = await qido?.find(study, uids, { signal });
  const there = instances.filter(({ sopInstanceUID }) => listed?.has(sopInstanceUID));
  return { outcomes: new Map(there.map((instance) => [instance, THERE])), halted: undefined };
}

function unasked(thrown: unknown, signal: AbortSignal | undefined): Outcome {
  if (signal?.aborted === true) return NOT_SENT;
  const { code, message } = asStorestowError(thrown);
  return { kind: 'retryable', code, message: `not sent, for the archive could not be asked first: ${message}` };
}

/**
 * Concurrent first objects of a study have made duplicate patients in dcm4chee (contract, section 3): beside one that may be under way
 * there still, none is sent.
 */
async function sendUntilOneIsStored(instances: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  const alone = planByAnswers(instances, ports).flat().slice(0, MAX_IN_A_ROW);
  const delivery = new Delivery(ports);
  for (const instance of alone) {
    await ports.limit(() => delivery.send([instance]));
    const outcome = delivery.outcomes.get(instance);
    if (delivery.halted !== undefined || (outcome !== undefined && isStored(outcome))) return delivery;
    if (outcome?.underWay === true) return { outcomes: delivery.outcomes, halted: notSentFor(outcome) };
  }
  const all = [...delivery.outcomes.values()];
  const hopeless = all.length === MAX_IN_A_ROW && all.every(isRequestFailure);
  return { outcomes: delivery.outcomes, halted: hopeless ? notSentFor(all.at(-1)) : undefined };
}

async function sendInParallel(instances: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  const delivery = new Delivery(ports);
  const requests = planByAnswers(instances, ports);
  await Promise.all(requests.map((request) => ports.limit(() => delivery.send(request))));
  return delivery;
}

/** What got no answer before comes behind the rest, in requests as small as `unanswered` says. */
function planByAnswers(
  instances: readonly OutgoingInstance[],
  { limits, unanswered }: StorePorts,
): readonly (readonly OutgoingInstance[])[] {
  const byLimit = Map.groupBy(instances, ({ sopInstanceUID }) => unanswered.limitOf(sopInstanceUID));
  return [...byLimit]
    .toSorted(([a], [b]) => b - a)
    .flatMap(([limit, group]) => planRequests(group, { ...limits, maxInstances: Math.min(limit, limits.maxInstances) }));
}

/** What is sent of one study, request after request, until each instance has its outcome or the rest is left. */
class Delivery implements Progress {
  readonly outcomes = new Map<OutgoingInstance, Outcome>();
  halted: Outcome | undefined;
  readonly #ports: StorePorts;
  /** Requests in a row after which nothing else could be done. */
  #failures = 0;

  constructor(ports: StorePorts) {
    this.#ports = ports;
  }

  /**
   * The instances of one request, and what has to be sent again of them, one request after the other: of n instances with a guilty
   * one among them about 2 log2 n. An archive that answers nothing to rely on to `MAX_IN_A_ROW` single ones gets no more.
   */
  async send(request: readonly OutgoingInstance[]): Promise<void> {
    const { patience, learnedSize, limits, signal } = this.#ports;
    const waiting: (readonly OutgoingInstance[])[] = [request];
    let maxWait = patience.maxWait;
    for (let next = waiting.shift(); next !== undefined && this.halted === undefined; next = waiting.shift()) {
      const maxBytes = Math.min(limits.maxBytes, learnedSize.maxBytes);
      const [fitting = [], ...more] = planRequests(next, { ...limits, maxBytes });
      waiting.unshift(...more);
      if (signal?.aborted === true) {
        this.halted = NOT_SENT;
        return;
      }
      const sent = await sendRequest(fitting, this.#ports, maxWait);
      maxWait -= sent.waited;
      waiting.unshift(...this.#settle(fitting, sent));
    }
  }

  /** Keeps the outcomes, and gives what is to be sent again. */
  #settle(request: readonly OutgoingInstance[], sent: Sent): readonly (readonly OutgoingInstance[])[] {
    for (const [index, outcome] of sent.outcomes.entries()) {
      for (const instance of request.slice(index, index + 1)) this.outcomes.set(instance, outcome);
    }
    const { suspicion, learnedSize, signal } = this.#ports;
    // Stopped from here: that says nothing of the archive.
    if (signal?.aborted === true) {
      this.halted ??= NOT_SENT;
      return [];
    }
    this.#noteAnswers(request, sent);
    const resend = decideResend(sent.answered, sent.waiting, suspicion.grave);
    if (!sent.outcomes.every(isRequestFailure)) suspicion.answered();
    switch (resend.kind) {
      case 'halt':
        this.halted ??= notSentFor(sent.outcomes.find(isRequestFailure));
        return [];
      case 'done':
        this.#count(sent.outcomes);
        return [];
      case 'again':
        return [pick(request, resend.indices)];
      case 'halve': {
        const rest = pick(request, resend.indices);
        const middle = Math.ceil(rest.length / 2);
        return [rest.slice(0, middle), rest.slice(middle)].filter((half) => half.length > 0);
      }
      case 'shrink':
        learnedSize.refused(sent.length);
        return [pick(request, resend.indices)];
    }
  }

  #noteAnswers(request: readonly OutgoingInstance[], { answered, outcomes }: Sent): void {
    const uids = request.map(({ sopInstanceUID }) => sopInstanceUID);
    const missing = answered.flatMap(({ verdict, listing }, index) =>
      verdict.kind === 'unknown' && verdict.trouble === 'silent' && listing !== 'listed' ? uids.slice(index, index + 1) : [],
    );
    if (missing.length > 0) this.#ports.unanswered.noAnswer(request.length, missing);
    else if (!outcomes.every(isRequestFailure)) this.#ports.unanswered.answered(uids);
  }

  #count(outcomes: readonly Outcome[]): void {
    const failed = outcomes.every(isRequestFailure);
    this.#failures = failed ? this.#failures + 1 : 0;
    if (failed) this.#ports.suspicion.failed();
    if (this.#failures >= MAX_IN_A_ROW) this.halted ??= notSentFor(outcomes[0]);
  }
}

function pick(request: readonly OutgoingInstance[], indices: readonly number[]): readonly OutgoingInstance[] {
  return indices.flatMap((index) => request.slice(index, index + 1));
}

/** The archive gave no answer that concerns this instance: the next request may fare the same. */
function isRequestFailure(outcome: Outcome): boolean {
  return outcome.kind === 'retryable' && outcome.reason === undefined && outcome.code !== 'NOT_IN_ARCHIVE';
}

function notSentFor(outcome: Outcome | undefined): Outcome {
  if (outcome === undefined || isStored(outcome)) return NOT_SENT;
  return { kind: 'retryable', code: outcome.code, message: `not sent after others of its study failed: ${outcome.message}` };
}
