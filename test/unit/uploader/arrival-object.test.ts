import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { parseObjectKey } from '../../../core/store/object-key.ts';
import { arrivalObject, encodeMetadataValue } from '../../../local-uploader/arrival/arrival-object.ts';
import type { Arrival } from '../../../local-uploader/arrival/read-arrival.ts';

const arrival: Arrival = {
  studyInstanceUID: '1.2.3',
  seriesInstanceUID: '1.2.3.1',
  sopInstanceUID: '1.2.3.1.1',
  callingAET: 'CT ROOM 1',
  pixelless: false,
  sha256: 'ab'.repeat(32),
  size: 3,
  identity: { device: 1n, inode: 2n, size: 3n, modified: 1_795_530_336_342_991_000n },
  bytes: new Uint8Array(3),
  release: () => undefined,
};

describe('arrivalObject', () => {
  it('has key and metadata of the contract, the time from the file', () => {
    expect(arrivalObject(arrival, { site: 'north', callingIP: '10.0.0.7', calledAET: 'STORESTOW' })).toEqual({
      key: 'incoming/north/CT%20ROOM%201@10.0.0.7/1.2.3/1.2.3.1/1.2.3.1.1~abababababab.dcm',
      parts: {
        site: 'north',
        callingAET: 'CT ROOM 1',
        callingIP: '10.0.0.7',
        studyInstanceUID: '1.2.3',
        seriesInstanceUID: '1.2.3.1',
        sopInstanceUID: '1.2.3.1.1',
        digest: 'abababababab',
      },
      receivedAt: '2026-11-24T14:25:36.342Z',
      metadata: {
        'calling-aet': 'CT ROOM 1',
        'calling-ip': '10.0.0.7',
        'called-aet': 'STORESTOW',
        site: 'north',
        'received-at': '2026-11-24T14:25:36.342Z',
        sha256: 'ab'.repeat(32),
      },
    });
  });

  it("takes the file's title before the one given, and leaves out what nobody knows", () => {
    const anonymous = Object.fromEntries(Object.entries(arrival).filter(([name]) => name !== 'callingAET')) as unknown as Arrival;
    expect(arrivalObject(arrival, { site: 's', callingAET: 'OTHER' }).metadata['calling-aet']).toBe('CT ROOM 1');
    expect(arrivalObject(anonymous, { site: 's', callingAET: 'OTHER' }).metadata['calling-aet']).toBe('OTHER');
    expect(Object.keys(arrivalObject(anonymous, { site: 's' }).metadata).sort()).toEqual(['received-at', 'sha256', 'site']);
  });

  it('keeps every text from the network within its part of the key, and readable from it', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 16 }),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }),
        (callingAET, uid) => {
          fc.pre(callingAET.isWellFormed() && uid.isWellFormed() && !uid.includes('\0') && !callingAET.includes('\0'));
          const { key } = arrivalObject({ ...arrival, callingAET, studyInstanceUID: uid }, { site: 's' });
          expect(key).toMatch(/^incoming\/s\/[\w.%-]+@%00\/[\w.%-]+\/1\.2\.3\.1\/1\.2\.3\.1\.1~abababababab\.dcm$/);
          expect(parseObjectKey(key)).toMatchObject({ callingAET, studyInstanceUID: uid });
        },
      ),
    );
  });
});

describe('encodeMetadataValue', () => {
  it.each([
    ['CT1', 'CT1'],
    ['CT ROOM 1', 'CT ROOM 1'],
    ['$(touch pwned)', '$(touch pwned)'],
    ['100%', '100%25'],
    ['A  B', 'A%20%20B'],
    [' A', '%20A'],
    ['é\n', '%C3%A9%0A'],
  ])('%j → %j', (value, encoded) => {
    expect(encodeMetadataValue(value)).toBe(encoded);
  });

  it('gives what a store takes, and decodeURIComponent gives the value back', async () => {
    const store = createMemoryStore();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1, maxLength: 64 }), async (value) => {
        fc.pre(value.isWellFormed());
        const encoded = encodeMetadataValue(value);
        expect(decodeURIComponent(encoded)).toBe(value);
        await store.put('k', new Uint8Array(), { metadata: { 'calling-aet': encoded } });
      }),
    );
  });
});
