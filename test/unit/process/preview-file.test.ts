import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import type { RuleSet } from '../../../core/coerce/rule-set.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import type { FramePool } from '../../../core/encode/frame-pool.ts';
import { ByteBudget } from '../../../functions/ingest/byte-budget.ts';
import type { DifferenceLine } from '../../../functions/process/difference-line.ts';
import { withPreparedFile, type PreparedFile } from '../../../functions/process/prepared-file.ts';
import { preview, previewFile, type FilePreview } from '../../../functions/process/preview-file.ts';
import type { ProcessPorts } from '../../../functions/process/process-ports.ts';
import { buildImage, J2K_LOSSLESS, type BuiltElement, type BuiltImage } from '../../support/build-dicom.ts';

const CODESTREAM = Uint8Array.of(0xff, 0x4f, 0xff, 0x51, 0xff, 0xd9);
const framePool: FramePool = {
  codec: 'codec-1.0.0',
  transferSyntaxUID: J2K_LOSSLESS,
  threads: 2,
  encodeFrame: async () => ({ proved: true, codestream: CODESTREAM }),
  close: async () => undefined,
};
const SITE_RULES: RuleSet['rules'] = [
  { action: 'set', target: 'RequestAttributesSequence[1].ScheduledProcedureStepID', value: 'STEP' },
  { action: 'set', target: 'PatientComments', value: 'Größe' },
  { action: 'set', target: '(0013,xx01)[SITE]', vr: 'LO', value: 'via storestow' },
];

function ports(more: Partial<RuleSet> = {}, encode = true): ProcessPorts {
  return {
    ruleSet: {
      rules: [...DEFAULT_RULES, ...SITE_RULES],
      institutions: new Map([
        ['CT1', 'North Clinic'],
        ['DEFAULT', 'South Clinic'],
      ]),
      unknownSource: 'quarantine',
      originalAttributes: true,
      ...more,
    },
    framePool,
    budget: new ByteBudget(1e9),
    encode,
    callingAET: 'DEFAULT',
    callingIP: '127.0.0.1',
  };
}

const step = (value: string): BuiltElement[] => [{ tag: 0x00400009, vr: 'SH', value }];
const EXTRA: readonly BuiltElement[] = [
  { tag: 0x00080005, vr: 'CS', value: 'ISO_IR 192' },
  { tag: 0x00090010, vr: 'LO', value: 'GEIIS' },
  { tag: 0x00091010, vr: 'LO', value: 'thumbnail' },
  { tag: 0x00104000, vr: 'LT', value: Uint8Array.from(Buffer.from('Größer ', 'utf8')) },
  { tag: 0x00400275, vr: 'SQ', value: [step('A'), step('B')] },
];

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'preview-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function previewOf(image: BuiltImage, more?: Partial<RuleSet>, encode?: boolean): Promise<FilePreview> {
  const path = join(folder, 'image.dcm');
  await writeFile(path, buildImage(image));
  return previewFile(path, ports(more, encode));
}

function linesOf(result: FilePreview): readonly DifferenceLine[] {
  if (result.outcome === 'refused') return expect.fail(`refused: ${result.code}`);
  return result.differences;
}

async function preparedFile(path: string): Promise<PreparedFile> {
  return withPreparedFile(path, ports(), async (file) => file);
}

/** `changed StudyID "STUDY7" -> "A" (default rule: set StudyID)` */
function told({ kind, attribute, before, after, reason }: DifferenceLine): string {
  return `${kind} ${attribute} ${before?.text ?? 'absent'} -> ${after?.text ?? 'absent'} (${reason ?? 'UNEXPLAINED'})`;
}

describe('the preview of a file', () => {
  it('names every element that would differ, before and after, and the reason', async () => {
    const result = await previewOf({ callingAET: 'CT1', extra: EXTRA });
    expect(result).toMatchObject({ outcome: 'changes', encoded: true, unexplained: 0 });
    expect(linesOf(result).map(told)).toEqual([
      expect.stringMatching(/^changed FileMetaInformationGroupLength \d+ -> \d+ \(group length corrected\)$/),
      'changed TransferSyntaxUID 1.2.840.10008.1.2.1 (Explicit VR Little Endian) -> 1.2.840.10008.1.2.4.90 (JPEG 2000 reversible) (transfer syntax)',
      'changed InstitutionName Hospital as received -> North Clinic (institution mapping)',
      'changed ReferringPhysicianName Referring^Doctor -> -^-^-^- (default rule: set ReferringPhysicianName)',
      'added NameOfPhysiciansReadingStudy absent -> -^-^- (default rule: set NameOfPhysiciansReadingStudy)',
      'removed (0009,1010) thumbnail -> absent (default rule: remove (0009,xx10)[GEIIS])',
      'changed PatientComments Größer -> Größe (site rule [1]: set PatientComments)',
      'added (0013,0010) absent -> SITE (private block reserved for a rule (PS3.5 7.8.1))',
      'added (0013,1001) absent -> via storestow (site rule [2]: set (0013,xx01)[SITE])',
      'changed StudyID STUDY7 -> 29991231235959 (default rule: set StudyID)',
      'changed RequestAttributesSequence[1].ScheduledProcedureStepID B -> STEP (site rule [0]: set RequestAttributesSequence[1].ScheduledProcedureStepID)',
      'added OriginalAttributesSequence absent -> <1 item> (Original Attributes: previous values (PS3.3 C.12.1.1.9))',
      expect.stringMatching(
        /^changed PixelData native 16x16x1, 512 bytes -> JPEG 2000 reversible, 1 fragment, 6 bytes, proved \(encoded /,
      ),
    ]);
  });

  it('has tag, VR and creator of an element, and what a new item holds', async () => {
    const lines = linesOf(await previewOf({ callingAET: 'CT1', extra: EXTRA }));
    const of = (attribute: string): DifferenceLine | undefined => lines.find((line) => line.attribute === attribute);
    expect(of('PixelData')).toMatchObject({ tag: '(7FE0,0010)', vr: 'OB', vrBefore: 'OW' });
    expect(of('StudyID')).toMatchObject({ tag: '(0020,0010)', vr: 'SH' });
    expect(of('StudyID')).not.toHaveProperty('vrBefore');
    expect(of('(0009,1010)')).toMatchObject({ creator: 'GEIIS' });
    expect(of('(0013,1001)')).toMatchObject({ creator: 'SITE', vr: 'LO' });
    expect(of('OriginalAttributesSequence')?.content).toContainEqual({
      attribute: '[0].ModifiedAttributesSequence[0].PatientComments',
      tag: '(0010,4000)',
      vr: 'LT',
      value: { form: 'text', text: 'Größer' },
    });
  });

  it('takes the sender from the file, and the given one where it names none', async () => {
    const institution = async (image: BuiltImage): Promise<string | undefined> =>
      linesOf(await previewOf(image)).find(({ attribute }) => attribute === 'InstitutionName')?.after?.text;
    expect(await institution({ callingAET: 'CT1' })).toBe('North Clinic');
    expect(await institution({})).toBe('South Clinic');
  });

  it('says why pixel data would stay, and that nothing would change', async () => {
    const result = await previewOf({}, { rules: [], institutions: new Map([['DEFAULT', 'Hospital as received']]) }, false);
    expect(result).toMatchObject({ outcome: 'unchanged', encoded: false, reason: 'DISABLED', differences: [], unexplained: 0 });
  });

  it('tells what would be refused, with the code and without a value', async () => {
    const result = await previewOf({ callingAET: 'CT1' }, { institutions: new Map(), unknownSource: 'quarantine' });
    expect(result).toMatchObject({ outcome: 'refused', code: 'UNKNOWN_SOURCE' });
    expect(await previewFile(join(folder, 'absent.dcm'), ports())).toMatchObject({ outcome: 'refused', code: 'USAGE' });
  });

  it.each([
    ['encoded', true],
    ['as it was', false],
  ])('is the same for a file that is read where it lies, its pixels %s', async (_name, encode) => {
    const image: BuiltImage = { rows: 64, columns: 64, frames: 2, extra: EXTRA };
    const whole = await previewOf(image, {}, encode);
    const path = join(folder, 'image.dcm');
    const inRanges = await previewFile(path, { ...ports({}, encode), largeFile: 0 });
    expect(whole).toMatchObject({ outcome: 'changes', unexplained: 0 });
    // Large files have an Extended Offset Table beside the frames.
    const offsets = (line: DifferenceLine): boolean => line.attribute.startsWith('ExtendedOffsetTable');
    const text = (lines: readonly DifferenceLine[]): string[] => lines.filter((line) => !offsets(line)).map(told);
    expect(text(linesOf(inRanges))).toEqual(text(linesOf(whole)));
    expect(inRanges).toMatchObject({ outcome: 'changes', unexplained: 0 });
  });

  it('counts what no reason accounts for', async () => {
    const path = join(folder, 'image.dcm');
    await writeFile(path, buildImage({}));
    const { original, prepared } = await preparedFile(path);
    const damaged = buildImage({ extra: [{ tag: 0x00100020, vr: 'LO', value: 'OTHER' }] });
    const result = preview(path, original, { ...prepared, named: [] }, readPart10(damaged));
    expect(result).toMatchObject({ outcome: 'changes', unexplained: 1 });
    expect(result.differences.map(told)).toEqual(['changed PatientID TEST-1 -> OTHER (UNEXPLAINED)']);
  });

  it('tells values apart that read the same', async () => {
    const path = join(folder, 'image.dcm');
    await writeFile(path, buildImage({}));
    const { original, prepared } = await preparedFile(path);
    const padded = buildImage({ extra: [{ tag: 0x00100020, vr: 'LO', value: 'TEST-1  ' }] });
    const [line] = preview(path, original, prepared, readPart10(padded)).differences;
    expect(line).toMatchObject({ attribute: 'PatientID', note: 'reads the same, in other bytes (6 -> 8)' });
  });
});
