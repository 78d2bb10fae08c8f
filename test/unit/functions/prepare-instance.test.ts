import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { inMemory } from '../../../core/dicom/byte-source.ts';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import type { RuleSet } from '../../../core/coerce/rule-set.ts';
import type { FramePool } from '../../../core/encode/frame-pool.ts';
import { prepareInstance, type PreparedInstance, type PrepareOptions } from '../../../core/prepare-instance.ts';
import { buildDicom, buildImage, imageElements, imagePixels, EXPLICIT_LE, J2K_LOSSLESS } from '../../support/build-dicom.ts';

const SOURCE = { callingAET: 'CT1', callingIP: '10.0.0.7', receivedAt: new Date('2026-11-24T10:00:00Z') };
const RULES: RuleSet = {
  rules: DEFAULT_RULES,
  institutions: new Map([['CT1', 'North Clinic']]),
  unknownSource: 'quarantine',
  originalAttributes: true,
};
const CODESTREAM = Uint8Array.of(0xff, 0x4f, 0xff, 0x51, 0xff, 0xd9);

const pool: FramePool = {
  codec: 'codec-1.0.0',
  transferSyntaxUID: J2K_LOSSLESS,
  threads: 2,
  encodeFrame: async () => ({ proved: true, codestream: CODESTREAM }),
  close: async () => undefined,
};

async function prepare(file: Uint8Array, options?: PrepareOptions): Promise<PreparedInstance> {
  return prepareInstance(file, SOURCE, RULES, pool, options);
}

function sent({ segments }: PreparedInstance): Buffer {
  return Buffer.concat(inMemory(segments));
}

describe('prepareInstance', () => {
  it('coerces and encodes in one splice, and keeps what an auditor asks for', async () => {
    const pixels = imagePixels({});
    const prepared = await prepare(buildImage({ pixels }));
    const bytes = sent(prepared);
    expect(prepared).toMatchObject({
      studyInstanceUID: '1.2.826.0.1.3680043.10.1.1',
      seriesInstanceUID: '1.2.826.0.1.3680043.10.1.2',
      sopInstanceUID: '1.2.826.0.1.3680043.10.1.3.1',
      sopClassUID: '1.2.840.10008.5.1.4.1.1.2',
      institution: 'North Clinic',
      pixelLength: 512,
      pixelMd5: createHash('md5').update(pixels).digest('hex'),
      codec: 'codec-1.0.0',
      encoded: true,
      syntaxReceived: EXPLICIT_LE,
      syntaxSent: J2K_LOSSLESS,
      length: bytes.length,
      md5: createHash('md5').update(bytes).digest('hex'),
    });
    expect(prepared.applied.map(({ attribute }) => attribute)).toContain('InstitutionName');
    expect(bytes.includes(Buffer.from(CODESTREAM))).toBe(true);
    expect(bytes.includes('29991231235959')).toBe(true);
    expect(bytes.includes(Buffer.from(pixels))).toBe(false);
  });

  it('gives the same bytes each time, for they depend on the arguments alone', async () => {
    const [one, again] = [await prepare(buildImage()), await prepare(buildImage())];
    expect(again.md5).toBe(one.md5);
  });

  it('coerces only, where encoding is off, and still takes the digest of the pixels', async () => {
    const pixels = imagePixels({});
    const prepared = await prepare(buildImage({ pixels }), { encode: false });
    expect(prepared).toMatchObject({ encoded: false, reason: 'DISABLED', syntaxSent: EXPLICIT_LE, pixelLength: 512 });
    expect(sent(prepared).includes(Buffer.from(pixels))).toBe(true);
    expect(sent(prepared).includes('29991231235959')).toBe(true);
  });

  it('sends what has no pixel data as it is, coerced', async () => {
    const elements = imageElements().filter(({ tag }) => tag !== 0x7fe00010);
    const prepared = await prepare(buildDicom({ elements }));
    expect(prepared).toMatchObject({ encoded: false, reason: 'NO_PIXEL_DATA' });
    expect(prepared.pixelMd5).toBeUndefined();
  });

  it.each([
    ['NOT_PART10', new Uint8Array(10)],
    ['MISSING_UID', buildDicom({ elements: imageElements().filter(({ tag }) => tag !== 0x0020000d) })],
  ])('refuses %s', async (code, file) => {
    await expect(prepare(file)).rejects.toMatchObject({ code, retryable: false });
  });

  it('refuses a source that the mapping does not know', async () => {
    const source = { ...SOURCE, callingAET: 'XX', callingIP: '10.0.0.9' };
    await expect(prepareInstance(buildImage(), source, RULES, pool)).rejects.toMatchObject({ code: 'UNKNOWN_SOURCE' });
  });
});
