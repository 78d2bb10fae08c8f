import { beforeEach, describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { Leases, type LeaseStore } from '../../../core/store/lease.ts';
import { ingestBatch } from '../../../functions/ingest/ingest-batch.ts';
import { isOtherInstitution } from '../../../functions/ingest/other-institution.ts';
import type { IngestPorts, IngestResult } from '../../../functions/ingest/ports.ts';
import { FakeArchive, ingestDouble, prepareFake, type IngestDouble } from '../../support/ingest-double.ts';
import { waitUntil } from '../../support/wait-until.ts';

const TIMES = { term: 30_000, grace: 300_000 };

describe('isOtherInstitution', () => {
  const table: [set: string, held: string[], conflict: boolean][] = [
    ['North', [], false],
    ['North', ['North'], false],
    ['North', ['South', 'North'], false],
    ['North', ['South'], true],
    ['North', ['South', 'West'], true],
    ['North', ['north'], true],
    ['North ', [' North'], false],
    ['Kli\u0301nik', ['Klínik'], false],
  ];
  it.each(table)('set %j, held %j: %j', (set, held, conflict) => {
    expect(isOtherInstitution(set, new Set(held))).toBe(conflict);
  });
});

describe('a study that the archive holds under another institution', () => {
  const BY_TITLE: Readonly<Record<string, string>> = { CT1: 'North', MR1: 'South' };

  function double(): IngestDouble {
    const made = ingestDouble({ maxInstances: 1 });
    made.ports = {
      ...made.ports,
      ownInstitution: ({ callingAET }) => BY_TITLE[callingAET],
      prepare: async (file, { callingAET }) => {
        const institution = BY_TITLE[callingAET];
        return { ...prepareFake(file as Uint8Array), ...(institution === undefined ? {} : { institution }) };
      },
    };
    return made;
  }

  async function ingest({ ports }: IngestDouble, keys: readonly string[]): Promise<readonly IngestResult[]> {
    return ingestBatch(
      keys.map((key) => ({ key })),
      ports,
    );
  }

  it('is quarantined and not sent; one question for the study, and another study goes on', async () => {
    const made = double();
    made.archive.registered.set('1.1', ['South']);
    const keys = await Promise.all(
      [
        { study: '1.1', sop: '1' },
        { study: '1.1', sop: '2' },
        { study: '1.2', sop: '3' },
      ].map((instance) => made.arrive(instance)),
    );
    const results = await ingest(made, keys);
    expect(results.map(({ state, code }) => [state, code])).toEqual([
      ['quarantined', 'INSTITUTION_CONFLICT'],
      ['quarantined', 'INSTITUTION_CONFLICT'],
      ['stowed', undefined],
    ]);
    expect(await Promise.all(keys.map((key) => made.status(key)))).toEqual([
      'quarantined/INSTITUTION_CONFLICT',
      'quarantined/INSTITUTION_CONFLICT',
      'stowed',
    ]);
    expect(made.archive.sent).toEqual(['3']);
    expect(made.archive.questions.toSorted()).toEqual(['1.1', '1.2']);
  });

  it('is no conflict where it is held under this one too, or under none', async () => {
    const made = double();
    made.archive.registered.set('1.1', ['South', 'North']);
    const keys = await Promise.all([made.arrive({ study: '1.1', sop: '1' }), made.arrive({ study: '1.2', sop: '2' })]);
    expect((await ingest(made, keys)).map(({ state }) => state)).toEqual(['stowed', 'stowed']);
  });

  it('of two institutions that send one new study at once, one opens it', async () => {
    const made = double();
    const keys = await Promise.all([
      made.arrive({ study: '1.1', sop: '1', callingAET: 'CT1' }),
      made.arrive({ study: '1.1', sop: '2', callingAET: 'MR1' }),
      made.arrive({ study: '1.1', sop: '3', callingAET: 'CT1' }),
    ]);
    const results = await ingest(made, keys);
    expect(results.map(({ state, code }) => code ?? state).toSorted()).toEqual(
      expect.arrayContaining(['INSTITUTION_CONFLICT', 'stowed']),
    );
    // Whichever of them it was: nothing of the other one is stored beside it.
    expect(new Set(made.archive.registered.get('1.1')).size).toBe(1);
  });

  it('so it is where each has an address of its own, which lead to one archive', async () => {
    const made = double();
    const south = new FakeArchive(new Map(), made.archive.registered);
    made.ports = { ...made.ports, archiveFor: ({ callingAET }) => (callingAET === 'MR1' ? south : made.archive) };
    const keys = await Promise.all([
      made.arrive({ study: '1.1', sop: '1', callingAET: 'CT1' }),
      made.arrive({ study: '1.1', sop: '2', callingAET: 'MR1' }),
    ]);
    const states = (await ingest(made, keys)).map(({ state, code }) => code ?? state);
    expect(states.toSorted()).toEqual(['INSTITUTION_CONFLICT', 'stowed']);
    expect(made.archive.registered.get('1.1')).toHaveLength(1);
  });

  it('what the archive refuses of one institution does not stand in the way of another', async () => {
    const made = double();
    made.archive.script.set('1', [{ kind: 'permanent', code: 'ARCHIVE_REFUSED', message: 'as the test wants it' }]);
    const keys = [
      await made.arrive({ study: '1.1', sop: '1', callingAET: 'CT1' }, '2026-11-24T10:00:00.000Z'),
      await made.arrive({ study: '1.1', sop: '2', callingAET: 'MR1' }, '2026-11-24T10:00:01.000Z'),
    ];
    const states = (await ingest(made, keys)).map(({ state, code }) => code ?? state);
    expect(states).toEqual(['ARCHIVE_REFUSED', 'stowed']);
    expect(made.archive.registered.get('1.1')).toEqual(['South']);
  });

  describe('of two function instances that open one new study for two institutions, one does', () => {
    let made: IngestDouble;
    let north: string;
    let south: string;
    let southern: IngestPorts;

    beforeEach(async () => {
      made = double();
      north = await made.arrive({ study: '1.1', sop: '1', callingAET: 'CT1' });
      south = await made.arrive({ study: '1.1', sop: '2', callingAET: 'MR1' });
      southern = { ...made.ports, leases: new Leases(made.store, TIMES) };
    });
    const ofSouth = (keys: readonly string[]): Promise<readonly IngestResult[]> => ingest({ ...made, ports: southern }, keys);

    it('where the second comes while the first is at it', async () => {
      const answering = Promise.withResolvers<undefined>();
      made.archive.answering = answering.promise;
      const first = ingest(made, [north]);
      await waitUntil('the first is under way', () => made.archive.requests.length === 1, { interval: 1 });
      const wanted = Promise.withResolvers<undefined>();
      const store: LeaseStore = {
        put: async (...args) => {
          wanted.resolve(undefined);
          return made.store.put(...args);
        },
        head: async (key) => made.store.head(key),
        delete: async (...args) => made.store.delete(...args),
      };
      southern = { ...southern, leases: new Leases(store, TIMES) };
      const second = ofSouth([south]);
      await wanted.promise;
      answering.resolve(undefined);
      expect([...(await first), ...(await second)].map(({ state, code }) => code ?? state)).toEqual([
        'stowed',
        'INSTITUTION_CONFLICT',
      ]);
      expect(made.archive.registered.get('1.1')).toEqual(['North']);
    });

    it('where the first is done before the second has gathered its request', async () => {
      const gathering = Promise.withResolvers<undefined>();
      const more = await made.arrive({ study: '1.1', sop: '3', callingAET: 'MR1' });
      const { prepare } = southern;
      southern = {
        ...southern,
        config: { ...southern.config, archive: { ...southern.config.archive, maxInstances: 2 } },
        prepare: async (file, source) => {
          const prepared = await prepare(file, source);
          if (prepared.sopInstanceUID === '3') await gathering.promise;
          return prepared;
        },
      };
      const second = ofSouth([south, more]);
      await new Promise(setImmediate);
      expect((await ingest(made, [north]))[0]?.state).toBe('stowed');
      gathering.resolve(undefined);
      expect((await second).map(({ code }) => code)).toEqual(['INSTITUTION_CONFLICT', 'INSTITUTION_CONFLICT']);
      expect(made.archive.registered.get('1.1')).toEqual(['North']);
    });
  });

  it('is not asked about where no institution was set', async () => {
    const made = double();
    made.archive.registered.set('1.1', ['South']);
    const key = await made.arrive({ study: '1.1', sop: '1', callingAET: 'UNMAPPED' });
    expect((await ingest(made, [key]))[0]).toMatchObject({ state: 'stowed' });
    expect(made.archive.questions).toEqual([]);
  });

  it('waits for an archive that cannot be asked', async () => {
    const made = double();
    const key = await made.arrive({ study: '1.1', sop: '1' });
    made.archive.finding = new StorestowError('ARCHIVE_UNAVAILABLE', 'as the test wants it');
    expect((await ingest(made, [key]))[0]).toMatchObject({ state: 'retry', code: 'ARCHIVE_UNAVAILABLE' });
    expect(await made.status(key)).toBeUndefined();
    made.archive.finding = undefined;
    expect((await ingest(made, [key]))[0]).toMatchObject({ state: 'stowed' });
  });
});
