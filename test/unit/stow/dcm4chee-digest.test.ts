import { describe, expect, it } from 'vitest';
import { predictDcm4cheFile } from '../../../core/dicom/dcm4che-file.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { createDcm4cheeDigest } from '../../../core/stow/dcm4chee-digest.ts';
import type { ArchivedInstance, OutgoingInstance } from '../../../core/stow/outcome.ts';
import { outgoing } from '../../contract/archive-instances.ts';
import { buildDicom, imageElements } from '../../support/build-dicom.ts';

const INSTANCE = outgoing('1.2.3', 1);
const [OLD, NEW] = ['dcm4che-5.34.3', 'dcm4che-5.35.1'];

async function md5(version: string, instance: OutgoingInstance = INSTANCE): Promise<string> {
  const predicted = await predictDcm4cheFile(instance, version);
  return 'md5' in predicted ? predicted.md5 : '';
}
const listed = (storageDigest?: string): ArchivedInstance => ({
  sopInstanceUID: INSTANCE.sopInstanceUID,
  ...(storageDigest === undefined ? {} : { storageDigest }),
});
const retrieved = (version?: string) =>
  readPart10(
    buildDicom({ elements: imageElements(), meta: version === undefined ? [] : [{ tag: 0x00020013, vr: 'SH', value: version }] }),
  );

describe('the digest that dcm4chee tells', () => {
  it('is none where it tells none', async () => {
    const digest = createDcm4cheeDigest(OLD);
    expect(await digest.compare(INSTANCE, undefined, undefined)).toEqual({ verdict: 'untold' });
    expect(await digest.compare(INSTANCE, listed(), undefined)).toEqual({ verdict: 'untold' });
  });

  it('is held against the one predicted for the configured version', async () => {
    const [told, other] = [await md5(OLD), await md5(NEW)];
    const digest = createDcm4cheeDigest(OLD);
    expect(await digest.compare(INSTANCE, listed(told), undefined)).toEqual({ verdict: 'equal', told, expected: told });
    expect(await digest.compare(INSTANCE, listed(other), undefined)).toEqual({ verdict: 'differs', told: other, expected: told });
  });

  it('is unpredictable without a version, and for what dcm4che writes nobody knows how', async () => {
    const told = await md5(OLD);
    expect(await createDcm4cheeDigest(undefined).compare(INSTANCE, listed(told), undefined)).toEqual({
      verdict: 'unpredictable',
      told,
    });
    const trailing = { ...INSTANCE, segments: [...INSTANCE.segments, new Uint8Array(2)], length: INSTANCE.length + 2 };
    expect(await createDcm4cheeDigest(OLD).compare(trailing, listed(told), undefined)).toEqual({
      verdict: 'unpredictable',
      told,
    });
  });

  it('is predicted by each version learned: an archive keeps files of before its upgrade', async () => {
    const digest = createDcm4cheeDigest(undefined);
    expect([OLD, NEW, NEW, OLD].map((version) => digest.learn(retrieved(version)))).toEqual([true, true, false, false]);
    for (const version of [OLD, NEW]) {
      expect(await digest.compare(INSTANCE, listed(await md5(version)), undefined)).toMatchObject({ verdict: 'equal' });
    }
    expect(await digest.compare(INSTANCE, listed('0'.repeat(32)), undefined)).toMatchObject({
      verdict: 'differs',
      expected: await md5(NEW),
    });
  });

  it('learns nothing from a file without a version, and forgets the oldest', async () => {
    const digest = createDcm4cheeDigest(OLD);
    expect(digest.learn(retrieved())).toBe(false);
    for (const patch of [1, 2, 3, 4]) digest.learn(retrieved(`dcm4che-5.40.${String(patch)}`));
    expect(await digest.compare(INSTANCE, listed(await md5(OLD)), undefined)).toMatchObject({ verdict: 'differs' });
  });
});
