import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../core/errors.ts';
import { objectCreated } from '../../../core/store/object-event.ts';
import { handleEvent } from '../../../functions/ingest/handle-event.ts';
import { deadlines, type InvocationContext } from '../../../functions/ingest/invocation.ts';
import { clearOutcome, markFailed } from '../../../functions/ingest/object-outcome.ts';
import type { IngestResult } from '../../../functions/ingest/ports.ts';
import { FakeArchive, fakeObject, ingestDouble } from '../../support/ingest-double.ts';

const CONTEXT: InvocationContext = { getRemainingTimeInMillis: () => 60_000 };

function sqs(messages: Readonly<Record<string, readonly string[] | string>>, receives = 1): unknown {
  return {
    Records: Object.entries(messages).map(([messageId, content]) => ({
      messageId,
      eventSource: 'aws:sqs',
      body: typeof content === 'string' ? content : JSON.stringify(objectCreated('b', content)),
      attributes: { ApproximateReceiveCount: String(receives) },
    })),
  };
}

function unavailable(...sops: readonly string[]): FakeArchive {
  const outcome = { kind: 'retryable', code: 'ARCHIVE_UNAVAILABLE', message: 'as the test wants it' } as const;
  return new FakeArchive(new Map(sops.map((sop) => [sop, [outcome]])));
}

describe('handleEvent', () => {
  it('gives back the messages of which a key must be tried again, and no other', async () => {
    const double = ingestDouble({ archive: unavailable('1.2') });
    const [a, b, c] = [
      await double.arrive({ sop: '1.1' }),
      await double.arrive({ sop: '1.2' }),
      await double.arrive({ sop: '1.3', refused: 'MALFORMED' }),
    ];
    const event = sqs({ m1: [a], m2: [a, b], m3: [c], m4: 'nonsense', m5: [] });
    expect(await handleEvent(event, CONTEXT, double.ports)).toEqual({ batchItemFailures: [{ itemIdentifier: 'm2' }] });
    expect(await Promise.all([a, b, c].map((key) => double.status(key)))).toEqual(['stowed', undefined, 'quarantined/MALFORMED']);
  });

  it.each([
    [4, undefined],
    [5, 'failed/ARCHIVE_UNAVAILABLE'],
  ])('try %i of 5: the tag is %s', async (receives, tag) => {
    const double = ingestDouble({ archive: unavailable('1.1') });
    const key = await double.arrive({ sop: '1.1' });
    const answer = await handleEvent(sqs({ m1: [key] }, receives), CONTEXT, double.ports, { maxReceives: 5 });
    expect(answer.batchItemFailures).toHaveLength(1);
    expect(await double.status(key)).toBe(tag);
  });

  it('throws for a bare event of which a key must be tried again', async () => {
    const double = ingestDouble({ archive: unavailable('1.1') });
    const event = objectCreated('b', [await double.arrive({ sop: '1.1' })]);
    await expect(handleEvent(event, CONTEXT, double.ports)).rejects.toMatchObject({
      code: 'ARCHIVE_UNAVAILABLE',
      retryable: true,
    });
    expect(await handleEvent(event, CONTEXT, double.ports)).toEqual({ batchItemFailures: [] });
  });

  it('begins nothing where no time is left', async () => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    const answer = await handleEvent(sqs({ m1: [key] }), { getRemainingTimeInMillis: () => 0 }, double.ports);
    expect(answer.batchItemFailures).toEqual([{ itemIdentifier: 'm1' }]);
    expect(double.archive.sent).toEqual([]);
  });

  it('reports each result to a runner that wants to know', async () => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    const results: IngestResult[] = [];
    await handleEvent(sqs({ m1: [key] }), { ...CONTEXT, report: (result) => results.push(result) }, double.ports);
    expect(results).toMatchObject([{ key, state: 'stowed' }]);
  });
});

describe('deadlines', () => {
  it.each([
    [0, 0, 0],
    [3_000, 2_000, 2_700],
    [60_000, 40_000, 54_000],
    [900_000, 600_000, 890_000],
  ])('of %i ms: nothing new after %i, requests given up after %i', (remaining, stop, abort) => {
    expect(deadlines(remaining)).toEqual({ stop, abort });
  });
});

describe('markFailed', () => {
  it.each([
    [{}, 'failed/INTERNAL', true],
    [{ status: 'failed/ARCHIVE_UNAVAILABLE' }, 'failed/INTERNAL', true],
    [{ status: 'stowed' }, 'stowed', false],
    [{ status: 'quarantined/MALFORMED' }, 'quarantined/MALFORMED', false],
  ])('tags %j become %s', async (tags, status, marked) => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    await double.store.putTags(key, { ...tags, retention: '10y' });
    const code: ErrorCode = 'INTERNAL';
    expect(await markFailed(double.store, key, code, double.ports)).toBe(marked);
    expect(await double.store.getTags(key)).toMatchObject({ status, retention: '10y' });
  });

  it('passes over an object that is gone', async () => {
    const double = ingestDouble();
    expect(await markFailed(double.store, fakeObject({ sop: '1.1' }).key, 'INTERNAL', double.ports)).toBe(false);
  });
});

describe('clearOutcome', () => {
  it('takes off what storestow wrote, so that the object is tried again, and leaves the site’s tags', async () => {
    const double = ingestDouble();
    const key = await double.arrive({ sop: '1.1' });
    await double.store.putTags(key, { retention: '10y' });
    await handleEvent(sqs({ m1: [key] }), CONTEXT, double.ports);
    await clearOutcome(double.store, key);
    expect(await double.store.getTags(key)).toEqual({ retention: '10y' });
  });
});
