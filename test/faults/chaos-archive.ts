/** The archive's double, watched: what it was sent that it must not be sent. */
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { Faults, type Fault, type UnderWay } from '../../local-cloud/archive/faults.ts';

/** Of a request: what `begin` is told. */
type Begun = Parameters<Faults['begin']>[0];

export class WatchedFaults extends Faults {
  /** Which came although the archive had them before their request did. */
  readonly sentAgain: string[] = [];
  /** Which came in a request while another one with them was under way. */
  readonly atOnce: string[] = [];
  /** Studies whose first request had several instances, or was not alone. */
  readonly openedTogether = new Set<string>();
  /** What was done to the requests, in order. */
  readonly dealt: Fault[] = [];
  readonly #underWay = new Map<string, number>();
  /** By study: the first request with an instance of it. */
  readonly #first = new Map<string, { readonly request: object; done: boolean }>();
  readonly #studyOf: (sopInstanceUID: string) => string;
  readonly #folder: string;
  #database: DatabaseSync | undefined;
  #find: StatementSync | undefined;

  /** `folder`: the archive's. */
  constructor(folder: string, studyOf: (sopInstanceUID: string) => string) {
    super();
    this.#folder = folder;
    this.#studyOf = studyOf;
  }

  close(): void {
    this.#database?.close();
  }

  override begin(request: Begun): UnderWay {
    const underWay = super.begin(request);
    if (underWay.fault !== undefined) this.dealt.push(underWay.fault);
    const arrived = new Set<string>();
    return {
      fault: underWay.fault,
      arrived: (uid) => {
        if (!arrived.has(uid)) this.#watch(uid, arrived);
        arrived.add(uid);
        return underWay.arrived(uid);
      },
      done: () => {
        for (const uid of arrived) this.#count(uid, -1);
        for (const first of this.#first.values()) if (first.request === arrived) first.done = true;
        underWay.done();
      },
    };
  }

  #watch(uid: string, request: ReadonlySet<string>): void {
    if (this.#count(uid, 1) > 1) this.atOnce.push(uid);
    if (this.#holds(uid)) this.sentAgain.push(uid);
    const study = this.#studyOf(uid);
    const first = this.#first.get(study);
    if (first === undefined) this.#first.set(study, { request, done: false });
    else if (!first.done) this.openedTogether.add(study);
  }

  #count(name: string, change: 1 | -1): number {
    const count = (this.#underWay.get(name) ?? 0) + change;
    this.#underWay.set(name, count);
    return count;
  }

  #holds(uid: string): boolean {
    this.#database ??= new DatabaseSync(join(this.#folder, 'archive.sqlite'), { readOnly: true });
    this.#find ??= this.#database.prepare('SELECT 1 FROM instances WHERE sop = ?');
    return this.#find.get(uid) !== undefined;
  }
}
