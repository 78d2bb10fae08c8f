/** Switches that make the embedded archive misbehave, and its record of what it was asked: for tests. */
import type { Change } from '../../core/dicom/change.ts';

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
  /** The connection drops after so many bytes of the request's body; parts that came whole are stored. */
  | { readonly kind: 'drop-within'; readonly bytes: number }
  /** The request is carried out; the answer's body never ends. */
  | { readonly kind: 'endless-answer' }
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
  /** It came with `Expect: 100-continue`. */
  readonly expectsContinue: boolean;
  /** Of the parts that were read, in order. */
  readonly sopInstanceUIDs: readonly string[];
}

/** How a request that is too long is turned away: as WildFly does (dropped; with `Expect: 100-continue` a 400), or by a 413 as proxies do. */
export type LimitManner = 'drop' | 413;

/** What a request with a certain instance comes to, each time: the connection drops, a 500, or no answer ever. */
export type Breakage = 'drop' | 'hang' | 500;

export interface UnderWay {
  readonly fault: Fault | undefined;
  /** Gives how the request breaks at this instance. */
  arrived(sopInstanceUID: string): Breakage | undefined;
  done(): void;
}

export class Faults {
  readonly #next: Record<Service, Fault[]> = { stow: [], qido: [], wado: [] };
  readonly #dropped = new Set<string>();
  readonly #reasons = new Map<string, number>();
  readonly #records: (RequestRecord & { readonly sopInstanceUIDs: string[] })[] = [];
  readonly #underWay: Record<Service, number> = { stow: 0, qido: 0, wado: 0 };
  readonly #breakages = new Map<string, Breakage>();
  readonly #instancesUnderWay = new Map<string, number>();
  readonly #mostAtOnceOf = new Map<string, number>();
  #limit: { readonly bytes: number; readonly manner: LimitManner } | undefined;
  #hiddenQuestions = 0;
  #listingLag = 0;
  #merged: readonly Change[] = [];

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

  /** No request with this one is answered. */
  breakOn(breakage: Breakage, ...sopInstanceUIDs: readonly string[]): void {
    for (const uid of sopInstanceUIDs) this.#breakages.set(uid, breakage);
  }

  /** Requests with longer bodies are turned away; WildFly's own limit is 10485760. */
  limitBodies(bytes: number, manner: LimitManner): void {
    this.#limit = { bytes, manner };
  }

  /** The next questions (QIDO-RS) find nothing, as an archive that is slow to list. */
  hideFrom(questions: number): void {
    this.#hiddenQuestions = questions;
  }

  /** QIDO-RS lists an instance so many milliseconds after it was stored, and from then on. */
  listAfter(milliseconds: number): void {
    this.#listingLag = milliseconds;
  }

  /** What is retrieved has these changes: an archive merges what it keeps of patient, study and series (contract, section 4). */
  mergeOnRetrieve(...changes: readonly Change[]): void {
    this.#merged = changes;
  }

  get merged(): readonly Change[] {
    return this.#merged;
  }

  /** All switches off; the record stays. */
  clear(): void {
    for (const faults of Object.values(this.#next)) faults.length = 0;
    this.#dropped.clear();
    this.#reasons.clear();
    this.#breakages.clear();
    this.#limit = undefined;
    this.#hiddenQuestions = 0;
    this.#listingLag = 0;
    this.#merged = [];
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

  /** Requests under way at once that had this instance in them. */
  mostAtOnceOf(sopInstanceUID: string): number {
    return this.#mostAtOnceOf.get(sopInstanceUID) ?? 0;
  }

  /** How a body of this length is turned away. */
  refusesLength(bytes: number | undefined): LimitManner | undefined {
    return this.#limit !== undefined && bytes !== undefined && bytes > this.#limit.bytes ? this.#limit.manner : undefined;
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

  /** What was stored later than this is not listed yet. */
  listedUntil(): Date {
    return new Date(Date.now() - this.#listingLag);
  }

  /** For the server: one request came. */
  begin(request: Omit<RequestRecord, 'atOnce' | 'sopInstanceUIDs'>): UnderWay {
    const { service } = request;
    this.#underWay[service] += 1;
    const record = { ...request, atOnce: this.#underWay[service], sopInstanceUIDs: [] as string[] };
    this.#records.push(record);
    return {
      fault: this.#next[service].shift(),
      arrived: (uid) => {
        record.sopInstanceUIDs.push(uid);
        if (record.sopInstanceUIDs.filter((other) => other === uid).length === 1) this.#count(uid, 1);
        return this.#breakages.get(uid);
      },
      done: () => {
        this.#underWay[service] -= 1;
        for (const uid of new Set(record.sopInstanceUIDs)) this.#count(uid, -1);
      },
    };
  }

  #count(sopInstanceUID: string, change: 1 | -1): void {
    const underWay = (this.#instancesUnderWay.get(sopInstanceUID) ?? 0) + change;
    this.#instancesUnderWay.set(sopInstanceUID, underWay);
    this.#mostAtOnceOf.set(sopInstanceUID, Math.max(underWay, this.mostAtOnceOf(sopInstanceUID)));
  }
}
