/** The order in which a study's instances go to the archive: those it lists not at all, a new study's first one alone, the rest in parallel. */
import type { Limit } from '../concurrency.ts';
import { asStorestowError } from '../errors.ts';
import type { InFlight } from './in-flight.ts';
import type { OutgoingInstance, Outcome } from './outcome.ts';
import { planRequests, type RequestLimits } from './plan-requests.ts';
import { sendRequest, type SendPorts } from './send-request.ts';

/** Instances that go alone at most until the study is open; requests that fail one after the other until the rest is left for the next run. */
const MAX_IN_A_ROW = 3;

export interface StorePorts extends SendPorts {
  readonly limits: RequestLimits;
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

const THERE: Outcome = { kind: 'stored', proof: 'listed', alreadyThere: true };

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

/** Concurrent first objects of a study have made duplicate patients in dcm4chee (contract, section 3). */
async function sendUntilOneIsStored(instances: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  const alone = instances.slice(0, MAX_IN_A_ROW);
  const outcomes = new Map<OutgoingInstance, Outcome>();
  for (const instance of alone) {
    const progress = await ports.limit(() => send([instance], ports));
    for (const [sent, outcome] of progress.outcomes) outcomes.set(sent, outcome);
    if (progress.halted !== undefined || [...progress.outcomes.values()].some(isStored))
      return { outcomes, halted: progress.halted };
  }
  const all = [...outcomes.values()];
  return { outcomes, halted: all.length === MAX_IN_A_ROW && all.every(isRequestFailure) ? notSentFor(all.at(-1)) : undefined };
}

async function sendInParallel(instances: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  const outcomes = new Map<OutgoingInstance, Outcome>();
  let halted: Outcome | undefined;
  let failures = 0;
  await Promise.all(
    planRequests(instances, ports.limits).map((request) =>
      ports.limit(async () => {
        if (halted !== undefined) return;
        const progress = await send(request, ports);
        for (const [instance, outcome] of progress.outcomes) outcomes.set(instance, outcome);
        failures = [...progress.outcomes.values()].every(isRequestFailure) ? failures + 1 : 0;
        halted ??= progress.halted ?? (failures >= MAX_IN_A_ROW ? notSentFor([...progress.outcomes.values()][0]) : undefined);
      }),
    ),
  );
  return { outcomes, halted };
}

/** The archive gave no answer that concerns this instance: the next request may fare the same. */
function isRequestFailure(outcome: Outcome): boolean {
  return outcome.kind === 'retryable' && outcome.reason === undefined && outcome.code !== 'NOT_IN_ARCHIVE';
}

function isStored({ kind }: Outcome): boolean {
  return kind === 'stored' || kind === 'warned';
}

function notSentFor(outcome: Outcome | undefined): Outcome {
  if (outcome === undefined || outcome.kind === 'stored' || outcome.kind === 'warned') return NOT_SENT;
  return { kind: 'retryable', code: outcome.code, message: `not sent after others of its study failed: ${outcome.message}` };
}

async function send(request: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  if (ports.signal?.aborted === true) return { outcomes: new Map(), halted: NOT_SENT };
  const { verdicts, outcomes } = await sendRequest(request, ports);
  const rejected = verdicts.findIndex(({ kind }) => kind === 'rejected');
  return {
    outcomes: new Map(
      request.flatMap((instance, index) => outcomes.slice(index, index + 1).map((outcome) => [instance, outcome] as const)),
    ),
    halted: rejected === -1 ? undefined : notSentFor(outcomes[rejected]),
  };
}
