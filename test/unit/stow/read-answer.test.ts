import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideOutcome } from '../../../core/stow/decide-outcome.ts';
import { StorestowError } from '../../../core/errors.ts';
import { readAnswer, readFailure, type Verdict } from '../../../core/stow/read-answer.ts';
import { readReferenceAnswers, referenceAvailable } from '../../contract/archive-answers.ts';

const UNREADABLE = '1.2.40.0.13.1.15.110.3.165.2';
const CT = '1.2.840.10008.5.1.4.1.1.2';

const sent = (...uids: readonly string[]) => uids.map((sopInstanceUID) => ({ sopInstanceUID }));
const ui = (...values: readonly string[]) => ({ vr: 'UI', Value: values });
const item = (uid: string | undefined, more: object = {}, sopClass = CT) => ({
  '00081150': ui(sopClass),
  '00081155': uid === undefined ? { vr: 'UI' } : ui(uid),
  ...more,
});
const reason = (value: unknown) => ({ '00081197': { vr: 'US', Value: [value] } });
const warning = (value: unknown) => ({ '00081196': { vr: 'US', Value: [value] } });
const body = (failed: readonly object[], stored: readonly object[]) => ({
  '00081190': { vr: 'UR' },
  ...(failed.length === 0 ? {} : { '00081198': { vr: 'SQ', Value: failed } }),
  ...(stored.length === 0 ? {} : { '00081199': { vr: 'SQ', Value: stored } }),
});
const bytes = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const read = (status: number, value: unknown, uids: readonly string[], complete = true): readonly Verdict[] =>
  readAnswer({ status, body: bytes(value), complete }, sent(...uids));
const kinds = (verdicts: readonly Verdict[]): string[] =>
  verdicts.map((verdict) =>
    [
      verdict.kind,
      'code' in verdict ? verdict.code : '',
      'trouble' in verdict ? verdict.trouble : '',
      'underWay' in verdict ? 'under way' : '',
    ]
      .join(' ')
      .trim(),
  );

describe('readAnswer, by status', () => {
  it.each([
    [100, 'unknown ARCHIVE_AMBIGUOUS'],
    [200, 'unknown ARCHIVE_AMBIGUOUS'],
    [202, 'unknown ARCHIVE_AMBIGUOUS'],
    [204, 'unknown ARCHIVE_AMBIGUOUS'],
    [301, 'rejected ARCHIVE_REDIRECTED'],
    [302, 'rejected ARCHIVE_REDIRECTED'],
    [307, 'rejected ARCHIVE_REDIRECTED'],
    [308, 'rejected ARCHIVE_REDIRECTED'],
    [400, 'unknown ARCHIVE_REFUSED broken'],
    [401, 'rejected ARCHIVE_UNAUTHORIZED'],
    [403, 'rejected ARCHIVE_FORBIDDEN'],
    [404, 'rejected ARCHIVE_NOT_FOUND'],
    [405, 'rejected ARCHIVE_NOT_FOUND'],
    [406, 'rejected ARCHIVE_REFUSED'],
    [408, 'unknown ARCHIVE_AMBIGUOUS silent under way'],
    [409, 'unknown ARCHIVE_REFUSED broken'],
    [413, 'unknown ARCHIVE_SIZE_LIMIT too large'],
    [415, 'rejected ARCHIVE_REFUSED'],
    [418, 'unknown ARCHIVE_REFUSED broken'],
    [429, 'unknown ARCHIVE_UNAVAILABLE busy'],
    [500, 'unknown ARCHIVE_FAILED broken'],
    [502, 'unknown ARCHIVE_FAILED broken'],
    [503, 'unknown ARCHIVE_UNAVAILABLE busy'],
    [504, 'unknown ARCHIVE_AMBIGUOUS silent under way'],
    [524, 'unknown ARCHIVE_AMBIGUOUS silent under way'],
    [598, 'unknown ARCHIVE_AMBIGUOUS silent under way'],
    [599, 'unknown ARCHIVE_FAILED broken'],
  ])('%i without a body → %s', (status, verdict) => {
    expect(kinds(read(status, '', ['1.1', '1.2']))).toEqual([verdict, verdict]);
  });

  it('refuses what is too large alone', () => {
    expect(kinds(read(413, '', ['1.1']))).toEqual(['refused ARCHIVE_SIZE_LIMIT']);
  });

  it.each([401, 404, 500, 503])('believes no body of a %i', (status) => {
    expect(kinds(read(status, body([], [item('1.1')]), ['1.1']))).not.toContain('stored');
  });
});

describe('readAnswer, by sequences', () => {
  it.each<[string, number, unknown, string[], string[]]>([
    ['200, all stored', 200, body([], [item('1.1'), item('1.2')]), ['1.1', '1.2'], ['stored', 'stored']],
    [
      'order of the request, not of the answer',
      200,
      body([], [item('1.2', warning(0xb000)), item('1.1')]),
      ['1.1', '1.2'],
      ['stored', 'warned'],
    ],
    ['an array of one', 200, [body([], [item('1.1')])], ['1.1'], ['stored']],
    ['an array of two is no answer', 200, [body([], [item('1.1')]), {}], ['1.1'], ['unknown ARCHIVE_AMBIGUOUS']],
    ['an empty array', 200, [], ['1.1'], ['unknown ARCHIVE_AMBIGUOUS']],
    [
      '202 is read instance by instance',
      202,
      body([item('1.2', reason(0xa778))], [item('1.1')]),
      ['1.1', '1.2'],
      ['stored', 'refused CONFLICT'],
    ],
    ['202, one in neither sequence', 202, body([], [item('1.1')]), ['1.1', '1.2'], ['stored', 'unknown ARCHIVE_AMBIGUOUS']],
    ['400 that names stored ones (Orthanc)', 400, body([], [item('1.1')]), ['1.1', '1.2'], ['stored', 'unknown ARCHIVE_REFUSED']],
    ['409 without sequences', 409, { '00081190': { vr: 'UR' } }, ['1.1'], ['unknown ARCHIVE_REFUSED broken']],
    ['a reason as a string', 409, body([item('1.1', reason('42872'))], []), ['1.1'], ['refused CONFLICT']],
    ['no reason', 409, body([item('1.1')], []), ['1.1'], ['unknown ARCHIVE_FAILED']],
    ['a reason that is none', 409, body([item('1.1', reason('A778'))], []), ['1.1'], ['unknown ARCHIVE_FAILED']],
    ['a reason of more than 16 bits', 409, body([item('1.1', reason(0x1a778))], []), ['1.1'], ['unknown ARCHIVE_FAILED']],
    ['a processing failure', 409, body([item('1.1', reason(0x0110))], []), ['1.1'], ['unknown ARCHIVE_FAILED']],
    ['a warning of more than 16 bits is none', 200, body([], [item('1.1', warning(1e9))]), ['1.1'], ['stored']],
    ['a warning as a string', 200, body([], [item('1.1', warning('45056'))]), ['1.1'], ['warned']],
    [
      'one failure twice',
      409,
      body([item('1.1', reason(0xa778)), item('1.1', reason(0xa778))], []),
      ['1.1'],
      ['refused CONFLICT'],
    ],
    [
      'two reasons for one instance',
      409,
      body([item('1.1', reason(0xa778)), item('1.1', reason(0xa700))], []),
      ['1.1'],
      ['unknown ARCHIVE_AMBIGUOUS'],
    ],
    ['one stored twice', 200, body([], [item('1.1'), item('1.1')]), ['1.1', '1.2'], ['stored', 'unknown ARCHIVE_AMBIGUOUS']],
    [
      'Other Failures Sequence: items without any UID',
      202,
      { ...body([], [item('1.2')]), '0008119A': { vr: 'SQ', Value: [reason(0xc000)] } },
      ['1.1', '1.2'],
      ['refused ARCHIVE_REFUSED', 'stored'],
    ],
    [
      'unnamed items of two sequences: nobody knows which',
      202,
      { ...body([item(undefined, reason(0xc499))], []), '0008119A': { vr: 'SQ', Value: [reason(0xa700)] } },
      ['1.1'],
      ['unknown ARCHIVE_AMBIGUOUS'],
    ],
    ['a duplicate', 409, body([item('1.1', reason(0x0111))], []), ['1.1'], ['duplicate']],
    ['a warning among the failures', 202, body([item('1.1', reason(0xb007))], []), ['1.1'], ['warned']],
    [
      'stored and failed at once',
      202,
      body([item('1.1', reason(0xa778))], [item('1.1')]),
      ['1.1'],
      ['unknown ARCHIVE_AMBIGUOUS'],
    ],
    ['UIDs that were not sent', 200, body([], [item('9.9')]), ['1.1'], ['unknown ARCHIVE_AMBIGUOUS']],
    [
      'a failed UID that was not sent, of a class that exists',
      409,
      body([item('9.9', reason(0xa778))], []),
      ['1.1'],
      ['unknown ARCHIVE_REFUSED broken'],
    ],
  ])('%s', (_, status, value, uids, verdicts) => {
    expect(kinds(read(status, value, uids))).toEqual(verdicts);
  });

  it.each<[string, unknown, string[]]>([
    [
      'one unreadable part among others',
      body([item('2.25.1', reason(0xc499), UNREADABLE)], [item('1.1'), item('1.3')]),
      ['stored', 'refused ARCHIVE_REFUSED', 'stored'],
    ],
    [
      'several, in part order',
      body([item('2.25.1', reason(0xc499), UNREADABLE), item('2.25.2', reason(0x0110), UNREADABLE)], [item('1.2')]),
      ['refused ARCHIVE_REFUSED', 'stored', 'unknown ARCHIVE_FAILED'],
    ],
    [
      'a part without a UID',
      body([item(undefined, reason(0xc499))], [item('1.1'), item('1.2')]),
      ['stored', 'stored', 'refused ARCHIVE_REFUSED'],
    ],
    [
      'fewer items than instances that are left: nobody knows which',
      body([item('2.25.1', reason(0xc499), UNREADABLE)], [item('1.1')]),
      ['stored', 'unknown ARCHIVE_AMBIGUOUS', 'unknown ARCHIVE_AMBIGUOUS'],
    ],
    [
      'more items than instances that are left',
      body([item('2.25.1', reason(0xc499), UNREADABLE), item('2.25.2', reason(0xc499), UNREADABLE)], [item('1.1'), item('1.2')]),
      ['stored', 'stored', 'unknown ARCHIVE_AMBIGUOUS'],
    ],
  ])('correlates by part order: %s', (_, value, verdicts) => {
    expect(kinds(read(202, value, ['1.1', '1.2', '1.3']))).toEqual(verdicts);
  });
});

describe('readAnswer, of a hostile archive', () => {
  const good = JSON.stringify(body([], [item('1.1')]));

  it.each([
    ['not JSON', 'stored 1.1'],
    ['XML', '<?xml version="1.0"?><NativeDicomModel/>'],
    ['cut', good.slice(0, -3)],
    ['null', 'null'],
    ['a number', '1'],
    ['a sequence that is an object', { '00081199': { vr: 'SQ', Value: { 0: item('1.1') } } }],
    ['items that are no objects', { '00081199': { vr: 'SQ', Value: [null, 1, 'x', [item('1.1')]] } }],
    [
      'a UID that is an object',
      { '00081199': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: [{ toString: '1.1' }] } }] } },
    ],
    ['Value in the prototype', '{"__proto__":{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.1"]}}]}}}'],
    ['deep nesting', '['.repeat(1_000_000)],
  ])('%s → unknown', (_, value) => {
    expect(kinds(read(200, value, ['1.1']))).toEqual(['unknown ARCHIVE_AMBIGUOUS']);
  });

  it('a body that did not come whole → unknown, whatever stands in it', () => {
    expect(kinds(read(200, good, ['1.1'], false))).toEqual(['unknown ARCHIVE_AMBIGUOUS']);
  });

  it('gives one verdict for each instance whatever it gets, and none is stored without a confirmation', () => {
    const anything = fc.oneof(
      fc.json(),
      fc.string(),
      fc.object({ key: fc.constantFrom('00081198', '00081199', '00081155', 'Value', 'vr') }).map((o) => JSON.stringify(o)),
    );
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), anything, fc.integer({ min: 0, max: 5 }), (status, text, count) => {
        const verdicts = read(
          status,
          text,
          Array.from({ length: count }, (_, index) => `1.${String(index)}`),
        );
        expect(verdicts).toHaveLength(count);
        for (const verdict of verdicts) expect(['retryable', 'permanent']).toContain(decideOutcome(verdict, 'absent').kind);
      }),
    );
  });

  it('repeats nothing that the archive wrote', () => {
    const verdicts = read(
      409,
      { ...body([item('1.1', { ...reason(0xa778), '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Doe^Jane' }] } })], []) },
      ['1.1'],
    );
    expect(JSON.stringify(verdicts)).not.toContain('Doe');
  });
});

describe('readFailure', () => {
  it.each([
    ['unreachable', undefined, 'rejected ARCHIVE_UNAVAILABLE'],
    ['unreachable', new StorestowError('ARCHIVE_UNAUTHORIZED', 'x'), 'rejected ARCHIVE_UNAUTHORIZED'],
    ['unauthorized', new StorestowError('ARCHIVE_UNAUTHORIZED', 'x'), 'rejected ARCHIVE_UNAUTHORIZED'],
    ['timeout', new Error('x'), 'unknown ARCHIVE_AMBIGUOUS silent'],
    ['interrupted', new Error('x'), 'unknown ARCHIVE_AMBIGUOUS broken'],
  ] as const)('%s for %s → %s', (failure, cause, verdict) => {
    expect(kinds([readFailure({ failure, cause })])).toEqual([verdict]);
  });
});

/** Of a recorded answer: what its own JSON says, read independently of the code under test. */
function expectedOf(text: string): ReadonlyMap<string, 'stored' | number> {
  type Item = Readonly<Record<string, { readonly Value?: readonly (string | number)[] }>>;
  const json = JSON.parse(text.startsWith('{') ? text : '{}') as Readonly<Record<string, { readonly Value?: readonly Item[] }>>;
  const uidIn = (entry: Item): string => String(entry['00081155']?.Value?.[0] ?? '');
  return new Map<string, 'stored' | number>([
    ...(json['00081199']?.Value ?? []).map((entry) => [uidIn(entry), 'stored'] as const),
    ...(json['00081198']?.Value ?? []).map((entry) => [uidIn(entry), Number(entry['00081197']?.Value?.[0])] as const),
  ]);
}

describe.skipIf(!referenceAvailable())('readAnswer, of what a running dcm4chee answered', () => {
  const answers = readReferenceAnswers().filter(({ method }) => method === 'POST');

  it('has the answers', () => {
    expect(answers.length).toBeGreaterThan(90);
  });

  it.each(answers.map((answer) => [answer.name, answer] as const))('%s', (_, { status, body: text }) => {
    const expected = expectedOf(text);
    // A part that dcm4chee named by a random UID, or by none, was sent under another one.
    const uids = [...expected.keys()].map((uid, index) =>
      uid === '' || uid.startsWith('2.25.') ? `1.2.3.${String(index)}` : uid,
    );
    const verdicts = read(status, text, uids.length === 0 ? ['1.2.3'] : uids);
    [...expected.values()].forEach((what, index) => {
      const verdict = verdicts[index];
      if (what === 'stored') expect(verdict).toEqual({ kind: 'stored' });
      else expect(verdict).toMatchObject({ kind: what === 0x0110 ? 'unknown' : 'refused', reason: what });
    });
    if (expected.size === 0) {
      const rejects = [401, 403, 404, 405, 406, 415].includes(status);
      expect(verdicts).toMatchObject([{ kind: rejects ? 'rejected' : 'unknown' }]);
    }
  });
});
