import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { Leases, type Lease } from '../../../core/store/lease.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { Outcome } from '../../../core/stow/outcome.ts';
import { InstitutionTurns } from '../../../functions/ingest/institution-turns.ts';
import { FakeArchive } from '../../support/ingest-double.ts';

const STORED: Outcome = { kind: 'stored', proof: 'digest', alreadyThere: false };

async function leaseOn(study: string): Promise<Lease> {
  const lease = await new Leases(createMemoryStore(), { term: 30_000, grace: 300_000 }).acquire(study, { alive: 0, gone: 0 });
  if (lease.kind !== 'lease') throw new Error('nobody else holds it');
  return lease;
}

describe('the turns of institutions', () => {
  it('ask the archive once a turn, but again where it could not be asked', async () => {
    const archive = new FakeArchive();
    const turns = new InstitutionTurns(undefined);
    const lease = await leaseOn('1.1');
    const study = { archive, studyInstanceUID: '1.1', institution: 'North' };
    const send = async (): Promise<readonly Outcome[]> => turns.send(study, lease, 1, async () => Promise.resolve([STORED]));
    archive.finding = new StorestowError('ARCHIVE_UNAVAILABLE', 'as the test wants it');
    expect(await send()).toMatchObject([{ kind: 'retryable', code: 'ARCHIVE_UNAVAILABLE' }]);
    archive.finding = undefined;
    expect([await send(), await send()]).toEqual([[STORED], [STORED]]);
    expect(archive.questions).toEqual(['1.1', '1.1']);
    await lease.release();
  });
});
