/** A bucket that takes nothing: what the uploader does meanwhile, how often it asks, and what it says. */
import { mkdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StorestowError, type ErrorCode } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { parseObjectKey } from '../../../core/store/object-key.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import { BucketGate } from '../../../local-uploader/outage/bucket-gate.ts';
import { uploadExitCode, type FileReport, type UploadReport } from '../../../local-uploader/upload/upload-report.ts';
import { uploadSpool } from '../../../local-uploader/upload/upload-spool.ts';
import type { UploadOptions, UploadPorts } from '../../../local-uploader/upload/upload-study.ts';
import { watchSpool } from '../../../local-uploader/upload/watch-spool.ts';
import { buildImage } from '../../support/build-dicom.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';
import { waitUntil } from '../../support/wait-until.ts';

const CONCURRENCY = 4;
const TRIES = 3;
const options: UploadOptions = {
  site: 'test',
  after: 'remove',
  concurrency: CONCURRENCY,
  settle: 0,
  patience: 0,
  manifestsGather: 1,
  retries: { retries: TRIES - 1, firstDelay: 1, maxDelay: 2 },
};

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly files?: number;
  readonly err?: { readonly code: ErrorCode };
}

let folder: TemporaryFolder;
let store: ObjectStore;
/** SOP Instance UIDs that were sent to the bucket, manifests as `manifest`, in their order. */
let puts: string[];
/** What the bucket answers to a key; `undefined`: it takes it. */
let refuse: (sopInstanceUID: string) => ErrorCode | undefined;

beforeEach(async () => {
  folder = await temporaryFolder('outage');
  store = createMemoryStore();
  puts = [];
  refuse = () => undefined;
});
afterEach(() => folder.remove());

const at = (...names: string[]): string => join(folder.path, 'spool', ...names);

/** Received so many minutes after the first. */
async function receive(number: number, minute = number, ip = '10.0.0.1'): Promise<void> {
  const path = at('received', ip, String(number).padStart(5, '0'));
  await mkdir(at('received', ip), { recursive: true });
  await writeFile(path, buildImage({ sopUID: `1.2.3.${number}`, callingAET: 'CT1' }));
  const received = new Date(Date.UTC(2026, 0, 1, 0, minute));
  await utimes(path, received, received);
}

const uid = (number: number): string => `1.2.3.${number}`;
const range = (count: number, from = 1): number[] => Array.from({ length: count }, (_, index) => from + index);

function ports(): UploadPorts {
  const put: ObjectStore['put'] = async (key, body, given) => {
    const name = parseObjectKey(key)?.sopInstanceUID ?? 'manifest';
    puts.push(name);
    const code = refuse(name);
    if (code !== undefined) throw new StorestowError(code, `${key}: as the test wants it`, { object: key });
    return store.put(key, body, given);
  };
  const bucket = new Proxy(store, {
    get: (target, name) => {
      if (name === 'put') return put;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { store: bucket, log: createLog({ to: join(folder.path, 'log') }), now: () => new Date() };
}

async function logged(): Promise<readonly Line[]> {
  const text = await readFile(join(folder.path, 'log'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

async function stored(): Promise<readonly string[]> {
  const keys = await Array.fromAsync(store.list({ prefix: 'incoming/' }));
  return keys.map(({ key }) => parseObjectKey(key)?.sopInstanceUID ?? key);
}

const codesOf = (reports: readonly UploadReport[]): Record<string, number> => {
  const codes: Record<string, number> = {};
  for (const { outcome, code } of reports.flatMap(({ files }) => files)) {
    const name = code === undefined ? outcome : `${outcome} ${code}`;
    codes[name] = (codes[name] ?? 0) + 1;
  }
  return codes;
};

describe('one run', () => {
  const upload = async (): Promise<readonly UploadReport[]> => uploadSpool(at(), ports(), options);

  it('with a dead bucket: as many tries as a few files have, each file reported, one warning', async () => {
    for (const number of range(200)) await receive(number, number, `10.0.0.${number % 3}`);
    refuse = () => 'STORE_UNAVAILABLE';
    const reports = await upload();
    expect(codesOf(reports)).toEqual({ 'failed STORE_UNAVAILABLE': 200 });
    expect(uploadExitCode(reports)).toBe(75);
    expect(puts.length).toBeLessThanOrEqual(CONCURRENCY * TRIES);
    expect(await logged()).toMatchObject([{ level: 40, err: { code: 'STORE_UNAVAILABLE' } }]);
  });

  it('denied: the first few are told, then the bucket once', async () => {
    for (const number of range(200)) await receive(number);
    refuse = () => 'STORE_DENIED';
    expect(codesOf(await upload())).toEqual({ 'failed STORE_DENIED': 200 });
    expect(puts.length).toBeLessThanOrEqual(CONCURRENCY + 2);
    const lines = await logged();
    expect(lines.filter(({ level }) => level === 40)).toHaveLength(1);
    expect(lines.length).toBeLessThanOrEqual(3);
  });

  it.each(['STORE_INVALID', 'CONFLICT', 'STORE_DENIED'] as const)(
    'a file that is refused with %s now and then stops no other one',
    async (code) => {
      for (const number of range(60)) await receive(number);
      refuse = (name) => (Number(name.split('.').at(-1)) % 3 === 0 ? code : undefined);
      expect(codesOf(await upload())).toEqual({ uploaded: 40, [`failed ${code}`]: 20 });
    },
  );

  it('one that the bucket never answers stops no other one', async () => {
    for (const number of range(60)) await receive(number);
    refuse = (name) => (name === uid(1) ? 'STORE_UNAVAILABLE' : undefined);
    expect(codesOf(await upload())).toEqual({ uploaded: 59, 'failed STORE_UNAVAILABLE': 1 });
  });

  it('manifests alone refused: told once, the files stay', async () => {
    for (const number of range(40)) await receive(number, number, `10.0.0.${number % 5}`);
    refuse = (name) => (name === 'manifest' ? 'STORE_UNAVAILABLE' : undefined);
    const reports = await upload();
    expect(reports.flatMap(({ files }) => files).every(({ outcome, after }) => outcome === 'failed' && after === undefined)).toBe(
      true,
    );
    expect((await logged()).map(({ level }) => level)).toEqual([40]);
  });

  it('the oldest goes first, whatever its sender and its name', async () => {
    const minutes = [9, 2, 7, 4, 1, 8, 3, 6, 5];
    for (const [index, minute] of minutes.entries()) await receive(minute, minute, `10.0.0.${index % 3}`);
    // The first of each folder may begin before the others are listed.
    await uploadSpool(at(), ports(), { ...options, concurrency: 1 });
    const sent = puts.filter((name) => name !== 'manifest').map((name) => Number(name.split('.').at(-1)));
    expect(sent.slice(1)).toEqual(sent.slice(1).toSorted((a, b) => a - b));
    expect(sent).toHaveLength(9);
  });
});

describe('the resident uploader', () => {
  let ending: AbortController;
  let watching: Promise<void>;
  let gate: BucketGate;
  beforeEach(() => {
    ending = new AbortController();
    watching = Promise.resolve();
  });
  afterEach(async () => {
    ending.abort();
    await watching;
  });

  function watch(other: Partial<UploadPorts> = {}): void {
    const given = { ...ports(), ...other };
    gate = new BucketGate(given);
    watching = watchSpool(at(), { ...given, gate }, options, { signal: ending.signal, every: 50, random: () => 0 });
  }

  const untilProbed = async (times: number): Promise<number> =>
    waitUntil(`${times} probes`, () => {
      const { bucket } = gate;
      return bucket.state === 'out' && bucket.outage.probes >= times && bucket.outage.probes;
    });

  it('asks with one file at a time, woken by nothing; then sends all, the oldest first, and says so three times', async () => {
    for (const number of range(40)) await receive(number);
    refuse = () => 'STORE_UNAVAILABLE';
    watch();
    await untilProbed(0);
    const begun = performance.now();
    const first = puts.length;
    expect(first).toBeLessThanOrEqual(CONCURRENCY * TRIES);
    await untilProbed(1);
    for (const number of range(40, 41)) await receive(number);
    const probes = await untilProbed(3);
    // The waits before the three, at the least 0.5 s, 1 s and 2 s; the first one had begun.
    expect(performance.now() - begun).toBeGreaterThan(3000);
    expect(puts.length - first).toBe(probes);
    // Not the same one each time: it may be the file that is at fault.
    expect(new Set(puts.slice(first)).size).toBe(probes);
    const before = puts.length;
    refuse = () => undefined;
    await waitUntil('all are there', async () => (await stored()).length === 80);
    await waitUntil('it says so', async () => (await logged()).length === 3);
    expect(await logged()).toMatchObject([
      { level: 40, msg: expect.stringMatching(/takes nothing/) as string, err: { code: 'STORE_UNAVAILABLE' } },
      { level: 40, msg: expect.stringMatching(/takes files again/) as string },
      { level: 40, msg: expect.stringMatching(/is sent/) as string, files: 80 },
    ]);
    // Behind the one that was taken, each may overtake those that are under way beside it.
    const sent = puts.slice(before + 1).flatMap((name) => (name === 'manifest' ? [] : [Number(name.split('.').at(-1))]));
    for (const [index, number] of sent.entries()) expect(Math.abs(index + 1 - number)).toBeLessThanOrEqual(CONCURRENCY);
  });

  it('begins another round, and comes back to its post, however fast files arrive', async () => {
    await receive(1);
    refuse = () => 'STORE_UNAVAILABLE';
    let arrived = 1;
    let arriving = true;
    // No listing is the last one that finds something new.
    watch({
      onStep: async (step) => {
        if (step === 'listed' && arriving) await receive((arrived += 1));
      },
    });
    await untilProbed(2);
    refuse = () => undefined;
    await waitUntil('one is there that came while others did', async () => (await stored()).length > 5);
    arriving = false;
    await waitUntil('all are there', async () => (await stored()).length === arrived);
  });

  describe('while a large file is on its way', () => {
    /** Of the large one; the bucket has begun with it. */
    const LARGE = 99;
    /** Of another, which the bucket does not end either. */
    const BESIDE = 98;
    let go: PromiseWithResolvers<undefined>;
    let begunLarge: number;

    async function receiveLarge(number: number, ip = '10.0.0.1'): Promise<void> {
      await mkdir(at('received', ip), { recursive: true });
      const image = buildImage({ sopUID: uid(number), rows: 3000, columns: 3000, pixels: new Uint8Array(18_000_000) });
      const written = join(folder.path, 'written');
      await writeFile(written, image);
      await rename(written, at('received', ip, `large-${number}`));
    }

    /** An outage of which nothing small is left that could tell its end. */
    async function loseBucket(): Promise<void> {
      refuse = () => 'STORE_UNAVAILABLE';
      await receive(1);
      await untilProbed(0);
      await rm(at('received', '10.0.0.1', '00001'));
    }

    /** Without the seconds in which a small one may be found. */
    async function untilAsked(number: number): Promise<void> {
      await waitUntil('the other large one is there', async () => {
        if (gate.bucket.state === 'probing') gate.goOn();
        return (await stored()).includes(uid(number));
      });
      await waitUntil('the outage is over', () => gate.bucket.state === 'taking');
      expect(await stored()).not.toContain(uid(LARGE));
    }

    beforeEach(async () => {
      go = Promise.withResolvers<undefined>();
      begunLarge = 0;
      const begun = Promise.withResolvers<undefined>();
      const given = ports();
      const put: ObjectStore['put'] = async (key, body, about) => {
        if (key.includes(`${uid(LARGE)}~`)) begun.resolve(undefined);
        if (![LARGE, BESIDE].some((number) => key.includes(`${uid(number)}~`))) return given.store.put(key, body, about);
        begunLarge += 1;
        await go.promise;
        return given.store.put(key, body, about);
      };
      await receiveLarge(LARGE);
      watch({ store: { ...given.store, put } });
      await begun.promise;
    });
    afterEach(() => go.resolve(undefined));

    it('a small one that the bucket does not take holds up no others', async () => {
      refuse = (name) => (name === uid(1) ? 'STORE_UNAVAILABLE' : undefined);
      await receive(1);
      await untilProbed(0);
      await receive(2);
      await receive(3, 3, '10.0.0.2');
      await waitUntil('the others are there', async () => (await stored()).length === 2);
      go.resolve(undefined);
      await waitUntil('the large one, too', async () => (await stored()).includes(uid(LARGE)));
    });

    it('one that failed is tried again though the round lasts', async () => {
      refuse = (name) => (name === uid(1) ? 'STORE_DENIED' : undefined);
      await receive(1);
      const sent = (): number => puts.filter((name) => name === uid(1)).length;
      await waitUntil('it is refused', () => sent() === 1);
      expect(gate.bucket.state).toBe('taking');
      gate.goOn();
      await waitUntil('it is sent again', () => sent() === 2);
    });

    it('an outage begins, is probed less and less often, and ends', async () => {
      refuse = () => 'STORE_UNAVAILABLE';
      for (const number of range(20)) await receive(number);
      await untilProbed(0);
      const first = puts.length;
      const probes = await untilProbed(2);
      expect(puts.length - first).toBeLessThanOrEqual(probes);
      refuse = () => undefined;
      await waitUntil('all others are there', async () => (await stored()).length === 20);
    });

    it.each(['10.0.0.1', '10.0.0.2'])(
      'the bucket is asked with another large one, from %s, where nothing else is left',
      async (ip) => {
        await loseBucket();
        await receiveLarge(50, ip);
        refuse = () => undefined;
        await untilAsked(50);
      },
    );

    it('the bucket is asked with one that stood in line behind two when the outage began', async () => {
      await receiveLarge(BESIDE);
      await waitUntil('both are under way', () => begunLarge === 2);
      await receiveLarge(50);
      await loseBucket();
      refuse = () => undefined;
      await untilAsked(50);
    });
  });

  it('files that the bucket never takes hold up no others, however old they are', async () => {
    for (const number of range(20)) await receive(number);
    refuse = (name) => (Number(name.split('.').at(-1)) <= 6 ? 'STORE_UNAVAILABLE' : undefined);
    watch();
    await waitUntil('all others are there', async () => (await stored()).length === 14);
  });

  it('a file that is refused for its own sake is not sent in each round, until it changes', async () => {
    for (const number of range(3)) await receive(number);
    refuse = (name) => (name === uid(2) ? 'CONFLICT' : undefined);
    watch();
    await waitUntil('the others are there', async () => (await stored()).length === 2);
    // Each of these is a round behind the one before.
    for (const number of range(3, 4)) {
      await receive(number);
      await waitUntil('it is there', async () => (await stored()).length === number - 1);
    }
    const sent = (): number => puts.filter((name) => name === uid(2)).length;
    expect(sent()).toBe(1);
    await utimes(at('received', '10.0.0.1', '00002'), new Date(), new Date());
    await waitUntil('it is sent again', () => sent() === 2);
  });

  it.each(['STORE_UNAVAILABLE', 'CHECKSUM_MISMATCH'] as const)(
    'a file for which alone the bucket answers %s has its tries once, and not in each round',
    async (code) => {
      for (const number of range(3)) await receive(number);
      refuse = (name) => (name === uid(2) ? code : undefined);
      // Others are taken between its first try and its last.
      const tried = Promise.withResolvers<undefined>();
      const othersTaken = Promise.withResolvers<undefined>();
      const given = ports();
      const put: ObjectStore['put'] = async (key, body, about) => {
        if (!key.includes(`${uid(2)}~`)) await tried.promise;
        else if (puts.includes(uid(2))) await othersTaken.promise;
        else tried.resolve(undefined);
        return given.store.put(key, body, about);
      };
      const onProgress = ({ outcome }: FileReport): void => {
        if (outcome === 'uploaded') othersTaken.resolve(undefined);
      };
      watch({ store: { ...given.store, put }, onProgress });
      await waitUntil('the others are there', async () => (await stored()).length === 2);
      const sent = (): number => puts.filter((name) => name === uid(2)).length;
      await waitUntil('it has had its tries', () => sent() === TRIES);
      // Each of these is a round behind the one before.
      for (const number of range(3, 4)) {
        await receive(number);
        await waitUntil('it is there', async () => (await stored()).length === number - 1);
      }
      expect(sent()).toBe(TRIES);
    },
  );

  it('nothing waits any more: it is at its post again', async () => {
    await receive(1);
    refuse = () => 'STORE_UNAVAILABLE';
    watch();
    await untilProbed(1);
    await rm(at('received', '10.0.0.1'), { recursive: true });
    await waitUntil('it takes files', () => gate.bucket.state === 'taking');
  });
});

describe('an outage that lasts', () => {
  it('is told again each hour, with how long', async () => {
    let time = Date.UTC(2026, 10, 25, 12);
    const gate = new BucketGate({ log: createLog({ to: join(folder.path, 'log') }), now: () => new Date(time) });
    const fail = async (): Promise<void> => {
      const work = async (): Promise<never> => Promise.reject(new StorestowError('STORE_FULL', 'no room'));
      await expect(
        gate.attempt({ sent: 'instance', name: 'a' }, work, { retries: 0, firstDelay: 1, maxDelay: 1 }),
      ).rejects.toThrow();
    };
    for (let minute = 0; minute <= 150; minute += 1) {
      gate.beginRound();
      await fail();
      gate.endRound({ whole: true });
      time += 60_000;
    }
    expect(await logged()).toMatchObject([
      { msg: expect.stringMatching(/takes nothing/) as string },
      { msg: expect.stringMatching(/still/) as string, seconds: 3600 },
      { msg: expect.stringMatching(/still/) as string, seconds: 7200 },
    ]);
  });
});
