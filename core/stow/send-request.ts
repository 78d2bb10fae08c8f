/** One STOW-RS request, its answer, and what QIDO-RS confirms of it: one outcome for each instance. */
import { setTimeout as sleep } from 'node:timers/promises';
import { decideOutcome, needsListing, type Listing } from './decide-outcome.ts';
import type { DicomWeb } from './dicomweb.ts';
import { multipartBody } from './multipart-body.ts';
import type { OutgoingInstance, Outcome } from './outcome.ts';
import type { Qido } from './qido.ts';
import { MAX_ANSWER_BYTES, readAnswer, readFailure, type Verdict } from './read-answer.ts';

/** Milliseconds before each question: an archive may list an instance a little after it answered. */
export const CONFIRM_DELAYS: readonly number[] = [0, 100, 250, 500, 1000];

export interface SendPorts {
  readonly web: DicomWeb;
  /** Absent where `archive.confirm` is off. */
  readonly qido: Qido | undefined;
  readonly confirmDelays: readonly number[];
  readonly signal: AbortSignal | undefined;
}

export interface Sent {
  readonly verdicts: readonly Verdict[];
  readonly outcomes: readonly Outcome[];
}

export const STOPPED: Outcome = {
  kind: 'retryable',
  code: 'INVOCATION_TIMEOUT',
  message: 'stopped while the archive may have been storing it; the next run asks the archive first',
};

/** Sends instances of one study once. Never throws for what the archive does. */
export async function sendRequest(instances: readonly OutgoingInstance[], ports: SendPorts): Promise<Sent> {
  const verdicts = await post(instances, ports);
  if (verdicts === 'aborted') return { verdicts: [], outcomes: instances.map(() => STOPPED) };
  const listing = await confirm(instances, verdicts, ports);
  return {
    verdicts,
    outcomes: verdicts.map((verdict, index) => decideOutcome(verdict, listing(instances[index]?.sopInstanceUID ?? ''))),
  };
}

async function post(instances: readonly OutgoingInstance[], { web, signal }: SendPorts): Promise<readonly Verdict[] | 'aborted'> {
  const result = await web.store(multipartBody(instances), MAX_ANSWER_BYTES, signal);
  if (result.kind === 'answered') return readAnswer(result, instances);
  const { failure, cause } = result;
  if (failure === 'aborted') return 'aborted';
  return instances.map(() => readFailure({ failure, cause }));
}

async function confirm(
  instances: readonly OutgoingInstance[],
  verdicts: readonly Verdict[],
  { qido, confirmDelays, signal }: SendPorts,
): Promise<(sopInstanceUID: string) => Listing> {
  if (qido === undefined) return () => 'unasked';
  const [first] = instances;
  const missing = new Set(instances.filter((_, index) => verdicts.slice(index, index + 1).some(needsListing)).map(uidOf));
  try {
    for (const delay of confirmDelays) {
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
