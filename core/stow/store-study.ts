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
}

type Outcomes = ReadonlyMap<OutgoingInstance, Outcome>;

interface Progress {
  readonly outcomes: Outcomes;
  /** Why the rest is not sent. */
  readonly halted: Outcome | undefined;
}

const THERE: Outcome = { kind: 'stored', proof: 'listed', alreadyThere: true };

/** One outcome for each instance, in order. All are of one study, no SOP Instance UID twice. */
export async function storeStudy(instances: readonly OutgoingInstance[], ports: StorePorts): Promise<readonly Outcome[]> {
  const { outcomes, halted } = await storeAll(instances, ports);
  return instances.map((instance) => outcomes.get(instance) ?? halted ?? NOT_SENT);
}

const NOT_SENT: Outcome = { kind: 'retryable', code: 'INVOCATION_TIMEOUT', message: 'not sent: the run was stopped before' };

async function storeAll(instances: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  const [first] = instances;
  if (first === undefined) return { outcomes: new Map(), halted: undefined };
  const opened = await ports.opening.hold([first.studyInstanceUID], () => open(first.studyInstanceUID, instances, ports));
  if (opened.halted !== undefined) return opened;
  const rest = instances.filter((instance) => !opened.outcomes.has(instance));
  const sent = await sendInParallel(rest, ports);
  return { outcomes: new Map([...opened.outcomes, ...sent.outcomes]), halted: sent.halted };
}

/** Until the archive holds something of the study: concurrent first objects have made duplicate patients in dcm4chee. */
async function open(study: string, instances: readonly OutgoingInstance[], ports: StorePorts): Promise<Progress> {
  const { qido, signal } = ports;
  try {
    if ((await qido?.holdsStudy(study, { signal })) === true) {
      const listed = await qido?.find(
        study,
        instances.map(({ sopInstanceUID }) => sopInstanceUID),
        { signal },
      );
      return {
        outcomes: new Map(
          instances.filter(({ sopInstanceUID }) => listed?.has(sopInstanceUID)).map((instance) => [instance, THERE]),
        ),
        halted: undefined,
      };
    }
  } catch (thrown) {
    return { outcomes: new Map(), halted: unasked(thrown, signal) };
  }
  return sendUntilOneIsStored(instances, ports);
}

function unasked(thrown: unknown, signal: AbortSignal | undefined): Outcome {
  if (signal?.aborted === true) return NOT_SENT;
  const { code, message } = asStorestowError(thrown);
  return { kind: 'retryable', code, message: `not sent, for the archive could not be asked first: ${message}` };
}

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
