/** One STOW-RS request, its answer, and what QIDO-RS confirms of it: one outcome for each instance. */
import { setTimeout as sleep } from 'node:timers/promises';
import { decideOutcome, needsListing, type Listing } from './decide-outcome.ts';
import type { Answered, Waiting } from './decide-resend.ts';
import type { DicomWeb } from './dicomweb.ts';
import { multipartBody } from './multipart-body.ts';
import type { OutgoingInstance, Outcome } from './outcome.ts';
import type { Qido } from './qido.ts';
import { MAX_ANSWER_BYTES, readAnswer, readFailure, tooLarge, type Verdict } from './read-answer.ts';
import { readRetryAfter } from './retry-after.ts';

export interface Patience {
  /** Milliseconds before each question: an archive may list an instance a little after it answered. */
  readonly confirmDelays: readonly number[];
  /** Milliseconds between a connection that broke and the last question before its instances are sent again. */
  readonly settleDelay: number;
  /** Milliseconds that are waited at most, in one request, because the archive asks to come later. */
  readonly maxWait: number;
}

export const PATIENCE: Patience = {
  confirmDelays: [0, 100, 250, 500, 1000],
  // With the questions that follow, longer than dcm4chee tries again by itself (2.5 s, contract, section 9).
  settleDelay: 750,
  maxWait: 60_000,
};

/** Milliseconds at least, whatever Retry-After says. */
const MIN_WAIT = 1000;

export interface SendPorts {
  readonly web: DicomWeb;
  /** Absent where `archive.confirm` is off. */
  readonly qido: Qido | undefined;
  readonly patience: Patience;
  readonly signal: AbortSignal | undefined;
}

export interface Sent {
  /** Of each instance, in order; empty where it was stopped. */
  readonly answered: readonly Answered[];
  readonly outcomes: readonly Outcome[];
  /** Bytes of the body. */
  readonly length: number;
  /** Milliseconds that were waited because the archive asked to. */
  readonly waited: number;
  readonly waiting: Waiting;
}

const STOPPED: Outcome = {
  kind: 'retryable',
  code: 'INVOCATION_TIMEOUT',
  message: 'stopped while the archive may have been storing it; the next run asks the archive first',
};

interface Posted {
  readonly verdicts: readonly Verdict[];
  /** Milliseconds to let pass before the archive is asked. */
  readonly rest: number;
  /** Milliseconds that the archive asked for. */
  readonly retryAfter: number | undefined;
}

/** Sends instances of one study once. Never throws for what the archive does. `maxWait`: what is left of it. */
export async function sendRequest(instances: readonly OutgoingInstance[], ports: SendPorts, maxWait: number): Promise<Sent> {
  const body = multipartBody(instances);
  const sent = { length: body.length, waited: 0, waiting: 'not asked for' } as const;
  const stopped: Sent = { ...sent, answered: [], outcomes: instances.map(() => STOPPED) };
  const posted = await post(instances, body, ports);
  if (posted === 'aborted') return stopped;
  const { verdicts, retryAfter } = posted;
  const waiting = retryAfter === undefined ? 'not asked for' : retryAfter <= maxWait ? 'waited' : 'too long';
  const waited = waiting === 'waited' ? (retryAfter ?? 0) : 0;
  if (!(await rest(waiting === 'waited' ? waited : posted.rest, ports.signal))) return stopped;
  const listingOf = await confirm(instances, verdicts, ports);
  const answered = verdicts.map((verdict, index) => ({ verdict, listing: listingOf(instances[index]?.sopInstanceUID ?? '') }));
  const outcomes = answered.map(({ verdict, listing }) => decideOutcome(verdict, listing));
  return { ...sent, answered, outcomes, waited, waiting };
}

async function post(
  instances: readonly OutgoingInstance[],
  body: ReturnType<typeof multipartBody>,
  { web, patience, signal }: SendPorts,
): Promise<Posted | 'aborted'> {
  const result = await web.store(body, MAX_ANSWER_BYTES, signal);
  if (result.kind === 'answered') {
    const verdicts = readAnswer(result, instances);
    const busy = verdicts.some((verdict) => verdict.kind === 'unknown' && verdict.trouble === 'busy');
    return { verdicts, rest: 0, retryAfter: busy ? waitOf(result.retryAfter) : undefined };
  }
  const { failure, cause } = result;
  if (failure === 'aborted') return 'aborted';
  // A server that drops what is too long for it (WildFly) says so when it is asked by the head alone.
  if (failure === 'interrupted' && (await web.takes(body.length, signal)) === 'refused') {
    const verdicts = tooLarge(instances, 'the archive dropped the connection and refuses this length');
    return { verdicts, rest: 0, retryAfter: undefined };
  }
  return {
    verdicts: instances.map(() => readFailure({ failure, cause })),
    rest: failure === 'interrupted' ? patience.settleDelay : 0,
    retryAfter: undefined,
  };
}

function waitOf(retryAfter: string): number | undefined {
  const milliseconds = readRetryAfter(retryAfter, Date.now());
  return milliseconds === undefined ? undefined : Math.max(MIN_WAIT, milliseconds);
}

/** False: stopped. */
async function rest(milliseconds: number, signal: AbortSignal | undefined): Promise<boolean> {
  if (milliseconds === 0) return true;
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
    return true;
  } catch {
    return false;
  }
}

async function confirm(
  instances: readonly OutgoingInstance[],
  verdicts: readonly Verdict[],
  { qido, patience, signal }: SendPorts,
): Promise<(sopInstanceUID: string) => Listing> {
  if (qido === undefined) return () => 'unasked';
  const [first] = instances;
  const missing = new Set(instances.filter((_, index) => verdicts.slice(index, index + 1).some(needsListing)).map(uidOf));
  try {
    for (const delay of patience.confirmDelays) {
      if (first === undefined || missing.size === 0) break;
      if (delay > 0) await sleep(delay, undefined, signal === undefined ? {} : { signal });
      const found = await qido.find(first.studyInstanceUID, [...missing], { signal });
      for (const uid of found.keys()) missing.delete(uid);
    }
  } catch {
    return (uid) => (missing.has(uid) ? 'unanswered' : 'listed');
  }
  return (uid) => (missing.has(uid) ? 'absent' : 'listed');
}

function uidOf({ sopInstanceUID }: OutgoingInstance): string {
  return sopInstanceUID;
}
