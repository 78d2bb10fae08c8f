/** Switches that make the embedded archive misbehave, and its record of what it was asked: for tests. */

export type Service = 'stow' | 'qido' | 'wado';

/** What happens to one request. */
export type Fault =
  /** An answer without looking at the request, after reading its body. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The request is carried out; then other bytes are answered than would be. */
  | {
      readonly kind: 'answer-after';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** The request is carried out; of the answer's body only the first bytes are sent, then the connection drops. */
  | { readonly kind: 'cut-answer'; readonly bytes: number }
  /** No answer, ever; carried out or not. */
  | { readonly kind: 'no-answer'; readonly carriedOut: boolean }
  /** The connection drops without an answer: before the body is read, or after the request was carried out. */
  | { readonly kind: 'drop'; readonly carriedOut: boolean }
  /** The request is carried out and answered, so much later. */
  | { readonly kind: 'delay'; readonly milliseconds: number };

export interface RequestRecord {
  readonly service: Service;
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Requests of this service under way when this one came, itself included. */
  readonly atOnce: number;
  /** Bytes of the request's body as announced. */
  readonly contentLength: number | undefined;
  /** Of the parts that were read, in order. */
  readonly sopInstanceUIDs: readonly string[];
}

export interface UnderWay {
  readonly fault: Fault | undefined;
  arrived(sopInstanceUID: string): void;
  done(): void;
}

export class Faults {
  readonly #next: Record<Service, Fault[]> = { stow: [], qido: [], wado: [] };
  readonly #dropped = new Set<string>();
  readonly #reasons = new Map<string, number>();
  readonly #records: (RequestRecord & { readonly sopInstanceUIDs: string[] })[] = [];
  readonly #underWay: Record<Service, number> = { stow: 0, qido: 0, wado: 0 };
  #hiddenQuestions = 0;

  /** What happens to the next requests of a service, one fault each. */
  next(service: Service, ...faults: readonly Fault[]): void {
    this.#next[service].push(...faults);
  }

  /** These are answered as stored and kept nowhere. */
  dropSilently(...sopInstanceUIDs: readonly string[]): void {
    for (const uid of sopInstanceUIDs) this.#dropped.add(uid);
  }

  /** This one fails with the FailureReason each time. */
  failWith(reason: number, ...sopInstanceUIDs: readonly string[]): void {
    for (const uid of sopInstanceUIDs) this.#reasons.set(uid, reason);
  }

  /** The next questions (QIDO-RS) find nothing, as an archive that is slow to list. */
  hideFrom(questions: number): void {
    this.#hiddenQuestions = questions;
  }

  /** All switches off; the record stays. */
  clear(): void {
    for (const faults of Object.values(this.#next)) faults.length = 0;
    this.#dropped.clear();
    this.#reasons.clear();
    this.#hiddenQuestions = 0;
  }

  get requests(): readonly RequestRecord[] {
    return this.#records;
  }

  of(service: Service): readonly RequestRecord[] {
    return this.#records.filter((record) => record.service === service);
  }

  /** How often each SOP Instance UID arrived in a STOW-RS request. */
  arrivals(sopInstanceUID: string): number {
    return this.#records.flatMap((record) => record.sopInstanceUIDs).filter((uid) => uid === sopInstanceUID).length;
  }

  mostAtOnce(service: Service): number {
    return Math.max(0, ...this.of(service).map(({ atOnce }) => atOnce));
  }

  isDropped(sopInstanceUID: string): boolean {
    return this.#dropped.has(sopInstanceUID);
  }

  reasonFor(sopInstanceUID: string): number | undefined {
    return this.#reasons.get(sopInstanceUID);
  }

  /** Whether this question finds nothing. */
  takeHidden(): boolean {
    if (this.#hiddenQuestions === 0) return false;
    this.#hiddenQuestions -= 1;
    return true;
  }

  /** For the server: one request came. */
  begin(request: Omit<RequestRecord, 'atOnce' | 'sopInstanceUIDs'>): UnderWay {
    const { service } = request;
    this.#underWay[service] += 1;
    const record = { ...request, atOnce: this.#underWay[service], sopInstanceUIDs: [] as string[] };
    this.#records.push(record);
    return {
      fault: this.#next[service].shift(),
      arrived: (uid) => void record.sopInstanceUIDs.push(uid),
      done: () => void (this.#underWay[service] -= 1),
    };
  }
}
