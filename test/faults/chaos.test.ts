/**
 * Chaos: 2,000 instances in 40 studies of 10 patients, an archive that fails in every way it can, and machines and functions that are
 * killed, all by a seed (chaos-plan.ts). At the end each instance is stored, or set aside for the reason that it truly has; none was
 * under way twice at once, none was sent again after it was stored. `STORESTOW_CHAOS_SEED` has a seed again that was printed.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { hash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queryAudit } from '../../core/audit/query.ts';
import { mapConcurrently } from '../../core/concurrency.ts';
import { createLog } from '../../core/logging.ts';
import { DATABASE_NAME } from '../../core/store/bucket-database.ts';
import { openFolderStore, type FolderStore } from '../../core/store/folder-store.ts';
import { objectKey } from '../../core/store/object-key.ts';
import { clearOutcome } from '../../functions/ingest/object-outcome.ts';
import { sweep } from '../../functions/sweep/sweep.ts';
import type { Fault } from '../../local-cloud/archive/faults.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { ArrivalsQueue } from '../../local-cloud/arrivals-queue.ts';
import { buildImage, imagePixels } from '../support/build-dicom.ts';
import { descendantsOf } from '../support/process-tree.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';
import { WatchedFaults } from './chaos-archive.ts';
import { chaosPlan, type Kill, type PlannedInstance } from './chaos-plan.ts';

const SEED = Number(process.env['STORESTOW_CHAOS_SEED'] ?? randomInt(2 ** 31));
const SIZE = { patients: 10, studies: 40, instances: 2000 };
const MACHINES = 3;
const PLAN = chaosPlan(SEED, SIZE, MACHINES);

/** Milliseconds; on two processors with nothing else to do it takes a fraction of this. */
const TIMEOUT = 600_000;

const ROOT = '1.2.826.0.1.3680043.10.9';
const MACHINE = join(import.meta.dirname, 'chaos-machine.ts');
/** Milliseconds until the archive lists what it stored: less than storestow waits for it. */
const LISTED_AFTER = 80;
/** Seconds: an archive that does not answer is soon given up, and a lease soon runs out. */
const ARCHIVE_TIMEOUT = 3;

interface ChaosObject {
  readonly key: string;
  readonly sopInstanceUID: string;
  readonly file: Uint8Array;
  readonly pixels: Uint8Array;
  readonly planned: PlannedInstance;
}

function studyUID(study: number): string {
  return `${ROOT}.${String(study + 1)}`;
}

function studyOf(sopInstanceUID: string): string {
  return sopInstanceUID.split('.').slice(0, -2).join('.');
}

function chaosObject(planned: PlannedInstance, content: number): ChaosObject {
  const study = studyUID(planned.study);
  const sopInstanceUID = `${study}.1.${String(planned.number)}`;
  const image = { rows: 4, columns: 4, bitsStored: 12 };
  const pixels = imagePixels(image, planned.study * 1000 + planned.number + content * 1_000_000);
  const patient = `CHAOS-${String(planned.patient)}`;
  const dicom = buildImage({
    ...image,
    pixels,
    studyUID: study,
    seriesUID: `${study}.1`,
    sopUID: sopInstanceUID,
    extra: [
      { tag: 0x00100010, vr: 'PN', value: `Chaos^${String(planned.patient)}` },
      { tag: 0x00100020, vr: 'LO', value: patient },
    ],
  });
  const file = planned.fate.kind === 'unreadable' ? new TextEncoder().encode(`no DICOM file, ${sopInstanceUID}`) : dicom;
  const key = objectKey({
    site: 'chaos',
    callingAET: 'CT1',
    callingIP: '10.0.0.7',
    studyInstanceUID: study,
    seriesInstanceUID: `${study}.1`,
    sopInstanceUID,
    digest: hash('sha256', file, 'hex'),
  });
  return { key, sopInstanceUID, file, pixels, planned };
}

const OBJECTS = PLAN.instances.flatMap((planned) =>
  planned.fate.kind === 'rival' ? [chaosObject(planned, 0), chaosObject(planned, 1)] : [chaosObject(planned, 0)],
);

function status(fault: Fault): number | undefined {
  return fault.kind === 'answer' || fault.kind === 'answer-after' ? fault.status : undefined;
}

/** Codes that an instance may have for a while that is not to blame itself, and what must have happened then. */
const PASSING_REASONS: Readonly<Record<string, (fault: Fault, { fate }: PlannedInstance) => boolean>> = {
  ARCHIVE_UNAUTHORIZED: (fault) => status(fault) === 401,
  ARCHIVE_FORBIDDEN: (fault) => status(fault) === 403,
  ARCHIVE_NOT_FOUND: (fault) => status(fault) === 404,
  ARCHIVE_REDIRECTED: (fault) => status(fault) === 302,
  ARCHIVE_SIZE_LIMIT: (fault) => status(fault) === 413,
  ARCHIVE_REFUSED: (fault) => [400, 409, 415].includes(status(fault) ?? 0),
  ARCHIVE_UNAVAILABLE: (fault, { fate }) =>
    [429, 500, 503].includes(status(fault) ?? 0) || fate.kind === 'passing' || fault.kind === 'drop',
  ARCHIVE_FAILED: (fault, { fate }) =>
    [500, 502].includes(status(fault) ?? 0) || fate.kind === 'passing' || fate.kind === 'breaking',
  ARCHIVE_AMBIGUOUS: (fault) => !(fault.kind === 'delay' && fault.milliseconds === 0),
  PROCESS_FAILED: () => PLAN.kills.length > 0,
};

describe(`chaos, seed ${String(SEED)}`, () => {
  let folder: TemporaryFolder;
  let bucket: string;
  let store: FolderStore;
  let queue: ArrivalsQueue;
  /** Of events that come twice, for a machine that knows nothing of the first queue: no queue keeps the two apart. */
  let duplicates: ArrivalsQueue;
  let archive: EmbeddedArchive;
  let faults: WatchedFaults;
  const machines: ChildProcess[] = [];

  beforeAll(async () => {
    process.stdout.write(`chaos: STORESTOW_CHAOS_SEED=${String(SEED)}\n`);
    folder = await temporaryFolder('chaos');
    bucket = join(folder.path, 'bucket');
    store = await openFolderStore(bucket);
    queue = new ArrivalsQueue({ path: queuePath(0) });
    duplicates = new ArrivalsQueue({ path: queuePath(MACHINES - 1) });
    const archiveFolder = join(folder.path, 'archive');
    faults = new WatchedFaults(archiveFolder, studyOf);
    archive = await startEmbeddedArchive({ folder: archiveFolder, faults });
    await mapConcurrently(OBJECTS, 64, async ({ key, file }) =>
      store.put(key, file, {
        metadata: { site: 'chaos', 'calling-aet': 'CT1', 'calling-ip': '10.0.0.7', sha256: hash('sha256', file, 'hex') },
      }),
    );
  });
  afterAll(async () => {
    await Promise.all(machines.map((machine) => end(machine)));
    await archive.close();
    faults.close();
    queue.close();
    duplicates.close();
    await store.close();
    await folder.remove();
  });

  function queuePath(machine: number): string {
    return machine === MACHINES - 1 ? join(folder.path, 'duplicates.sqlite') : join(bucket, DATABASE_NAME);
  }

  async function end(machine: ChildProcess | undefined): Promise<void> {
    if (machine === undefined || machine.exitCode !== null || machine.signalCode !== null) return;
    const exit = once(machine, 'exit');
    machine.kill('SIGKILL');
    await exit;
  }

  function startMachine(index: number): void {
    const config = {
      site: 'chaos',
      bucket: { kind: 'folder', path: bucket },
      archive: { url: archive.url, timeout: ARCHIVE_TIMEOUT, maxInstances: 10 },
      encode: { enabled: false, threads: 1 },
    };
    const machine = fork(MACHINE, [bucket, queuePath(index), JSON.stringify(config)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    machines[index] = machine;
  }

  async function kill({ machine, what }: Kill): Promise<void> {
    const victim = machines[machine];
    if (what === 'machine') {
      await end(victim);
      startMachine(machine);
      return;
    }
    const functions = await descendantsOf(victim?.pid ?? 0);
    for (const { pid, command } of functions) {
      if (command.includes('function-process')) process.kill(pid, 'SIGKILL');
    }
  }

  function misbehave(): void {
    faults.next('stow', ...PLAN.stow);
    faults.next('qido', ...PLAN.qido);
    faults.next('wado', ...PLAN.wado);
    for (const { sopInstanceUID, planned } of OBJECTS) {
      if (planned.fate.kind === 'passing') faults.failWith(planned.fate.reason, sopInstanceUID);
      if (planned.fate.kind === 'breaking') faults.breakOn(planned.fate.breakage, sopInstanceUID);
    }
    forGood();
  }

  function forGood(): void {
    faults.listAfter(LISTED_AFTER);
    for (const { sopInstanceUID, planned } of OBJECTS) {
      if (planned.fate.kind === 'refused') faults.failWith(planned.fate.reason, sopInstanceUID);
      if (planned.fate.kind === 'dropped') faults.dropSilently(sopInstanceUID);
    }
  }

  /** Kills and duplicates, each at its time. */
  async function rage(): Promise<void> {
    const began = performance.now();
    const again = OBJECTS.flatMap(({ key, planned }) =>
      planned.duplicates.map((at) => ({ at, run: async () => duplicates.enqueue([{ key }]) })),
    );
    const kills = PLAN.kills.map((planned) => ({ at: planned.at, run: async () => kill(planned) }));
    for (const { at, run } of [...again, ...kills].sort((one, other) => one.at - other.at)) {
      await delay(Math.max(0, at - (performance.now() - began)));
      await run();
    }
    await delay(Math.max(0, PLAN.calm - (performance.now() - began)));
  }

  async function idle(): Promise<void> {
    const look = (): boolean =>
      [queue.depth(), duplicates.depth()].every(({ ready, delayed, inFlight }) => ready + delayed + inFlight === 0);
    await waitUntil('the queues are empty', look, { timeout: 240_000, interval: 200 });
  }

  async function outcomes(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for await (const { key, record } of queryAudit(store, {})) {
      const kind = record?.status;
      found.set(key, kind === undefined ? 'pending' : kind.kind === 'stowed' ? 'stowed' : `${kind.kind}/${kind.reason}`);
    }
    return found;
  }

  /** What the object has to end as; of rivals, what the second one has to. */
  function expected({ planned: { fate } }: ChaosObject): string {
    switch (fate.kind) {
      case 'plain':
      case 'passing':
      case 'breaking':
        return 'stowed';
      case 'refused':
        return `quarantined/${fate.code}`;
      case 'dropped':
        return 'failed/NOT_IN_ARCHIVE';
      case 'unreadable':
        return 'quarantined/NOT_PART10';
      case 'rival':
        return 'quarantined/CONFLICT';
    }
  }

  /** What a person does when the archive is well again; until then each reason must be one that what happened explains. */
  async function redrive(found: ReadonlyMap<string, string>): Promise<number> {
    let count = 0;
    for (const object of OBJECTS) {
      const state = found.get(object.key) ?? 'absent';
      const rival = object.planned.fate.kind === 'rival' && state === 'stowed';
      if (state === expected(object) || rival || state === 'pending') continue;
      const [kind, reason = ''] = state.split('/');
      const explained = PASSING_REASONS[reason];
      const isTrue = explained !== undefined && faults.dealt.some((fault) => explained(fault, object.planned));
      expect(isTrue, `${object.key} (${JSON.stringify(object.planned.fate)}) is ${state}`).toBe(true);
      expect(['failed', 'quarantined']).toContain(kind);
      await clearOutcome(store, object.key);
      queue.enqueue([{ key: object.key }]);
      count += 1;
    }
    return count;
  }

  async function archived(): Promise<readonly string[]> {
    const uids: string[] = [];
    for (let study = 0; study < SIZE.studies; study++) {
      const answer = await fetch(`${archive.url.replace('{aet}', 'CHAOS')}/${studyUID(study)}/instances?limit=1000`);
      const instances = (await answer.json()) as readonly Record<string, { readonly Value: readonly string[] }>[];
      uids.push(...instances.flatMap((instance) => instance['00080018']?.Value ?? []));
    }
    return uids;
  }

  it(
    'ends with each instance stored, or set aside for its true reason, and nothing done twice',
    async () => {
      misbehave();
      for (let index = 0; index < MACHINES; index++) startMachine(index);
      await waitUntil('the first request', () => faults.dealt.length > 0);
      await rage();
      faults.clear();
      forGood();
      for (let round = 0; ; round++) {
        await idle();
        const log = createLog({ level: 'silent' });
        const enqueue = async (keys: readonly string[]): Promise<void> => queue.enqueue(keys.map((key) => ({ key })));
        const { pending } = await sweep(store, enqueue, { pendingAfter: 0, failedAfter: 1e9, log, now: () => new Date() });
        const redriven = await redrive(await outcomes());
        if (pending + redriven === 0) break;
        expect(round).toBeLessThan(5);
      }

      const { atOnce, sentAgain, openedTogether } = faults;
      expect({ atOnce, sentAgain, openedTogether: [...openedTogether] }).toEqual({
        atOnce: [],
        sentAgain: [],
        openedTogether: [],
      });

      const found = await outcomes();
      const rivals = OBJECTS.filter(({ planned }) => planned.fate.kind === 'rival');
      const others = OBJECTS.filter(({ planned }) => planned.fate.kind !== 'rival');
      expect(
        others.filter((object) => found.get(object.key) !== expected(object)).map(({ key }) => `${key} ${found.get(key) ?? ''}`),
      ).toEqual([]);
      for (const pair of Map.groupBy(rivals, ({ sopInstanceUID }) => sopInstanceUID).values()) {
        expect(pair.map(({ key }) => found.get(key)).sort()).toEqual(['quarantined/CONFLICT', 'stowed']);
      }
      expect(found.size).toBe(OBJECTS.length);

      const stowed = OBJECTS.filter(({ key }) => found.get(key) === 'stowed');
      expect((await archived()).toSorted()).toEqual(stowed.map(({ sopInstanceUID }) => sopInstanceUID).toSorted());
      const kinds = new Set(faults.dealt.map(({ kind }) => kind));
      expect([...kinds].sort()).toEqual(
        ['answer', 'answer-after', 'cut-answer', 'delay', 'drop', 'drop-within', 'endless-answer', 'no-answer'].sort(),
      );
    },
    TIMEOUT,
  );

  it('has the same plan for the same seed', () => {
    expect(chaosPlan(SEED, SIZE, MACHINES)).toEqual(PLAN);
    expect(chaosPlan(SEED + 1, SIZE, MACHINES)).not.toEqual(PLAN);
  });
});
