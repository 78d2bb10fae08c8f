/** What goes wrong in a chaos run, by a seed: the same seed gives the same objects, the same faults in the same order, the same kills. */
import type { ErrorCode } from '../../core/errors.ts';
import type { Fault } from '../../local-cloud/archive/faults.ts';
import { Random } from '../fuzz/random.ts';

export interface ChaosSize {
  readonly patients: number;
  readonly studies: number;
  readonly instances: number;
}

/**
 * | fate        | what is done to it, until the calm                              | what it must end as        |
 * |-------------|-----------------------------------------------------------------|----------------------------|
 * | plain       | nothing but the faults of requests                              | stowed                     |
 * | passing     | fails with a FailureReason that may pass                        | stowed                     |
 * | breaking    | no request with it is answered                                  | stowed                     |
 * | refused     | fails with a FailureReason for good, also in the calm           | quarantined, `code`        |
 * | dropped     | answered as stored and kept nowhere, also in the calm           | failed, NOT_IN_ARCHIVE     |
 * | rival       | other content comes under its SOP Instance UID                  | one stowed, the other quarantined, CONFLICT |
 * | unreadable  | is no DICOM file                                                | quarantined, NOT_PART10    |
 */
export type Fate =
  | { readonly kind: 'plain' | 'dropped' | 'rival' | 'unreadable' }
  | { readonly kind: 'passing'; readonly reason: number }
  | { readonly kind: 'breaking'; readonly breakage: 'drop' | 500 }
  | { readonly kind: 'refused'; readonly reason: number; readonly code: ErrorCode };

export interface PlannedInstance {
  readonly patient: number;
  readonly study: number;
  readonly number: number;
  readonly fate: Fate;
  /** Milliseconds after the start at which its event comes again. */
  readonly duplicates: readonly number[];
}

export interface Kill {
  /** Milliseconds after the start. */
  readonly at: number;
  readonly machine: number;
  /** A function's process, or the machine that runs it. */
  readonly what: 'function' | 'machine';
}

export interface ChaosPlan {
  readonly instances: readonly PlannedInstance[];
  /** One for each request, in the order in which they come. */
  readonly stow: readonly Fault[];
  readonly qido: readonly Fault[];
  readonly wado: readonly Fault[];
  readonly kills: readonly Kill[];
  /** Milliseconds after the start at which the archive and the machines come to rest. */
  readonly calm: number;
}

/** Reason → the code that it is quarantined with. */
const REFUSALS: readonly (readonly [number, ErrorCode])[] = [
  [0x0122, 'ARCHIVE_REFUSED'],
  [0x0124, 'ARCHIVE_REFUSED'],
  [0xa771, 'ARCHIVE_REFUSED'],
  [0xa777, 'ARCHIVE_REFUSED'],
  [0xa778, 'CONFLICT'],
  [0xa779, 'CONFLICT'],
  [0xa77b, 'CONFLICT'],
  [0xa900, 'ARCHIVE_REFUSED'],
  [0xc000, 'ARCHIVE_REFUSED'],
  [0xc499, 'ARCHIVE_REFUSED'],
];
const PASSING: readonly number[] = [0x0110, 0x0213, 0xa700, 0xa77a];

const RUN = 10;

/** Milliseconds. */
const CHAOS_LASTS = 24_000;

/** An answer as it would be. */
const NONE: Fault = { kind: 'delay', milliseconds: 0 };

const STOW_STATUS = [400, 401, 403, 404, 409, 413, 415, 429, 500, 502, 503, 504, 302];
const AFTER_STATUS = [200, 202, 409, 500, 502, 503];

/** Each kind of fault once, and answers as they would be between them. */
function stowFaults(random: Random): Fault[] {
  const deck: Fault[] = [
    answer(random.pick(STOW_STATUS)),
    answer(random.pick(STOW_STATUS)),
    { kind: 'answer', status: 200, body: random.pick(['{}', 'not JSON', '']) },
    { kind: 'answer-after', status: random.pick(AFTER_STATUS), body: random.pick(['{}', 'Bad gateway', '']) },
    { kind: 'answer-after', status: random.pick(AFTER_STATUS), body: random.pick(['{}', 'Bad gateway', '']) },
    { kind: 'cut-answer', bytes: random.between(1, 400) },
    { kind: 'no-answer', carriedOut: random.chance(0.7) },
    { kind: 'drop', carriedOut: true },
    { kind: 'drop', carriedOut: false },
    { kind: 'drop-within', bytes: random.between(1, 12_000) },
    { kind: 'endless-answer' },
    { kind: 'delay', milliseconds: random.between(100, 1500) },
    ...Array.from({ length: 18 }, () => NONE),
  ];
  return shuffled(random, deck);
}

function shuffled<Value>(random: Random, values: readonly Value[]): Value[] {
  const order: Value[] = [];
  for (const value of values) order.splice(random.below(order.length + 1), 0, value);
  return order;
}

/** Questions fail, or are not answered; what is answered is true, as slow as the archive may be to list. */
function questionFault(random: Random): Fault {
  if (!random.chance(0.12)) return NONE;
  const kinds: readonly (() => Fault)[] = [
    () => answer(random.pick([401, 429, 500, 503])),
    () => answer(random.pick([500, 503])),
    () => ({ kind: 'answer', status: 200, body: random.pick(['[', 'not JSON']) }),
    () => ({ kind: 'cut-answer', bytes: random.between(1, 200) }),
    () => ({ kind: 'drop', carriedOut: false }),
    () => ({ kind: 'delay', milliseconds: random.between(50, 500) }),
  ];
  return random.chance(0.03) ? { kind: 'no-answer', carriedOut: false } : random.pick(kinds)();
}

function answer(status: number): Fault {
  const headers =
    status === 429 || status === 503 ? { 'Retry-After': '1' } : status === 302 ? { Location: 'http://127.0.0.1:9/' } : undefined;
  return { kind: 'answer', status, body: '', ...(headers === undefined ? {} : { headers }) };
}

function fate(random: Random): Fate {
  const chance = random.below(1000);
  if (chance < 20) {
    const [reason, code] = random.pick(REFUSALS);
    return { kind: 'refused', reason, code };
  }
  if (chance < 26) return { kind: 'dropped' };
  if (chance < 36) return { kind: 'rival' };
  if (chance < 46) return { kind: 'unreadable' };
  if (chance < 56) return { kind: 'passing', reason: random.pick(PASSING) };
  if (chance < 60) return { kind: 'breaking', breakage: random.pick(['drop', 500] as const) };
  return { kind: 'plain' };
}

/** In the order of their arrival: several modalities send at once, a few slices of each at a time. */
function shuffledRuns(random: Random, studies: number, perStudy: number): { readonly study: number; readonly number: number }[] {
  const runs = Array.from({ length: studies }, (_, study) =>
    Array.from({ length: Math.ceil(perStudy / RUN) }, (__, run) => ({ study, from: run * RUN + 1 })),
  );
  return shuffled(random, runs.flat()).flatMap(({ study, from }) =>
    random.times(Math.min(RUN, perStudy - from + 1), (index) => ({ study, number: from + index })),
  );
}

export function chaosPlan(seed: number, { patients, studies, instances }: ChaosSize, machines: number): ChaosPlan {
  const objects = new Random(seed, 0);
  const requests = new Random(seed, 1);
  const killing = new Random(seed, 2);
  const perStudy = instances / studies;
  return {
    instances: shuffledRuns(objects, studies, perStudy).map(({ study, number }) => ({
      patient: study % patients,
      study,
      number,
      fate: fate(objects),
      duplicates: objects.chance(0.25) ? objects.times(objects.between(1, 2), () => objects.below(CHAOS_LASTS)) : [],
    })),
    stow: requests.times(100, () => stowFaults(requests)).flat(),
    qido: requests.times(8000, () => questionFault(requests)),
    wado: requests.times(2000, () => questionFault(requests)),
    kills: killing
      .times(8, () => ({
        at: killing.between(2000, CHAOS_LASTS),
        machine: killing.below(machines),
        what: killing.pick(['function', 'function', 'machine'] as const),
      }))
      .sort((a, b) => a.at - b.at),
    calm: CHAOS_LASTS,
  };
}
