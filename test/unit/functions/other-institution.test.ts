import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { ingestBatch } from '../../../functions/ingest/ingest-batch.ts';
import { isOtherInstitution } from '../../../functions/ingest/other-institution.ts';
import type { IngestResult } from '../../../functions/ingest/ports.ts';
import { ingestDouble, type IngestDouble } from '../../support/ingest-double.ts';

describe('isOtherInstitution', () => {
  const table: [set: string | undefined, held: string[], conflict: boolean][] = [
    [undefined, [], false],
    [undefined, ['South'], false],
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
    made.ports = { ...made.ports, ownInstitution: ({ callingAET }) => BY_TITLE[callingAET] };
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
    const states = results.map(({ state, code }) => code ?? state);
    expect(states.toSorted()).toEqual(expect.arrayContaining(['INSTITUTION_CONFLICT', 'stowed']));
    // Whichever of them it was: nothing of the other one is stored beside it.
    expect(new Set(made.archive.sent.map((sop) => (sop === '2' ? 'South' : 'North'))).size).toBe(1);
    expect(made.archive.questions).toEqual(['1.1']);
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
