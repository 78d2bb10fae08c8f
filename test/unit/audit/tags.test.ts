import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuditRecord } from '../../../core/audit/record.ts';
import { fromTags, mergeTags, packDetail, toTags, unpackDetail } from '../../../core/audit/tags.ts';

const MD5 = 'd41d8cd98f00b204e9800998ecf8427e';
const STOWED: AuditRecord = {
  status: { kind: 'stowed' },
  institution: 'Klinik Köln',
  pixelLength: 524288,
  pixelMd5: MD5,
  sentMd5: '0cc175b9c0f1b6a831c399e269772661',
  detail: {
    syntaxReceived: '1.2.840.10008.1.2.1',
    syntaxSent: '1.2.840.10008.1.2.4.90',
    codec: 'openjpeg-1.3.6',
    rules: 'a1b2c3d4e5f6',
    proof: 'qido',
    at: '2026-11-24T10:00:00.000Z',
  },
};

describe('toTags', () => {
  it('writes the six tags of the design', () => {
    expect(toTags(STOWED)).toEqual({
      status: 'stowed',
      institution: 'Klinik K=C3=B6ln',
      'pixel-length': '524288',
      'pixel-md5': MD5,
      'sent-md5': '0cc175b9c0f1b6a831c399e269772661',
      detail:
        'syntax:1.2.840.10008.1.2.1/1.2.840.10008.1.2.4.90 codec:openjpeg-1.3.6 rules:a1b2c3d4e5f6 proof:qido at:2026-11-24T10:00:00.000Z',
    });
  });

  it.each<[AuditRecord, Record<string, string>]>([
    [{ status: { kind: 'quarantined', reason: 'UNKNOWN_SOURCE' } }, { status: 'quarantined/UNKNOWN_SOURCE' }],
    [{ status: { kind: 'failed', reason: 'ARCHIVE_REFUSED' } }, { status: 'failed/ARCHIVE_REFUSED' }],
    [{ status: { kind: 'stowed' }, institution: '', detail: {} }, { status: 'stowed' }],
    [
      { status: { kind: 'stowed' }, pixelLength: 0 },
      { status: 'stowed', 'pixel-length': '0' },
    ],
  ])('leaves out what is absent: %j', (record, tags) => {
    expect(toTags(record)).toEqual(tags);
  });
});

describe('fromTags', () => {
  it('gives the record back', () => {
    expect(fromTags({ ...toTags(STOWED), project: 'the site’s' })).toEqual(STOWED);
  });

  it.each([{}, { status: '' }, { status: 'done' }, { status: 'quarantined' }, { status: 'failed/' }, { project: 'x' }])(
    'has no outcome in %j',
    (tags) => {
      expect(fromTags(tags as Record<string, string>)).toBeUndefined();
    },
  );

  it('leaves out values that are not in form', () => {
    expect(fromTags({ status: 'stowed', 'pixel-length': '1e9', 'pixel-md5': 'XYZ', 'sent-md5': '=41', detail: 'junk' })).toEqual({
      status: { kind: 'stowed' },
      detail: {},
    });
  });
});

describe('detail', () => {
  it.each([
    [{ syntaxReceived: '1.2' }, 'syntax:1.2/'],
    [{ syntaxSent: '1.2' }, 'syntax:/1.2'],
    [{ codec: 'ONE_BIT' }, 'codec:ONE_BIT'],
    [{ proof: 'listed', archiveReason: 'B007' }, 'proof:listed reason:B007'],
    [{ proof: 'digest', archivedMd5: 'a'.repeat(32) }, `proof:digest archived:${'a'.repeat(32)}`],
    [{ syntaxReceived: '1/2 3=4', at: 'x:y z' }, 'syntax:1=2F2=203=3D4/ at:x:y=20z'],
  ])('%j ⇄ %j', (detail, packed) => {
    expect(packDetail(detail)).toBe(packed);
    expect(unpackDetail(packed)).toEqual(detail);
  });

  it('passes over fields of a later version', () => {
    expect(unpackDetail('codec:x later:y')).toEqual({ codec: 'x' });
  });

  it('stays within a tag for any text', () => {
    const text = fc.string({ unit: 'binary', maxLength: 100 });
    const detail = fc.record({
      ...{
        syntaxReceived: text,
        syntaxSent: text,
        codec: text,
        rules: text,
        proof: text,
        archivedMd5: text,
        archiveReason: text,
        at: text,
      },
    });
    fc.assert(
      fc.property(detail, (value) => {
        const packed = packDetail(value);
        expect(packed.length).toBeLessThanOrEqual(256);
        expect(packed).toMatch(/^[A-Za-z0-9 +\-=._:/@]*$/);
      }),
    );
  });
});

describe('mergeTags', () => {
  const site = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`site-${index}`, String(index)]));

  it('keeps the site’s tags and replaces the earlier record whole', () => {
    const earlier = { ...toTags(STOWED), project: 'x' };
    expect(mergeTags(earlier, { status: { kind: 'failed', reason: 'CONFLICT' } })).toEqual({
      tags: { project: 'x', status: 'failed/CONFLICT' },
      dropped: [],
    });
  });

  it.each([
    ['four beside six', 4, STOWED, 4, []],
    ['five beside six', 5, STOWED, 4, ['site-4']],
    ['nine beside one', 9, { status: { kind: 'stowed' } }, 9, []],
    ['ten beside one', 10, { status: { kind: 'stowed' } }, 9, ['site-9']],
  ] as const)('%s', (_name, count, record, kept, dropped) => {
    const merged = mergeTags(site(count), record);
    expect(merged.dropped).toEqual(dropped);
    expect(merged.tags).toEqual({ ...site(kept), ...toTags(record) });
    expect(Object.keys(merged.tags).length).toBeLessThanOrEqual(10);
  });
});
