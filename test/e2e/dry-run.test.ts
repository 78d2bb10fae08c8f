/** `storestow process --dry-run`: what it prints of files that are built here, and that it writes nothing. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FilePreview } from '../../functions/process/preview-file.ts';
import { buildImage, J2K_LOSSLESS, type BuiltElement } from '../support/build-dicom.ts';
import { runStorestow, type Finished } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const step = (value: string): BuiltElement[] => [{ tag: 0x00400009, vr: 'SH', value }];
const EXTRA: readonly BuiltElement[] = [
  { tag: 0x00080005, vr: 'CS', value: '\\ISO 2022 IR 87' },
  // 山^太 in ISO 2022 IR 87
  { tag: 0x00080090, vr: 'PN', value: Uint8Array.from(Buffer.from('1b24423b331b28425e1b244242401b284220', 'hex')) },
  { tag: 0x00090010, vr: 'LO', value: 'GEIIS' },
  { tag: 0x00091010, vr: 'UN', value: new Uint8Array(40) },
  { tag: 0x00200000, vr: 'UL', value: [80] },
  { tag: 0x00400275, vr: 'SQ', value: [step('A'), step('B')] },
];
const RULES = [
  { action: 'set', target: 'RequestAttributesSequence[1].ScheduledProcedureStepID', value: 'STEP' },
  { action: 'remove', target: 'ImageType' },
];
const INSTITUTIONS = `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>CT1</key><string>North Clinic</string></dict></plist>`;

describe('a dry run', () => {
  let folder: TemporaryFolder;
  let study: string;
  let before: readonly string[];

  beforeAll(async () => {
    folder = await temporaryFolder('dry-run');
    study = join(folder.path, 'study');
    await mkdir(join(study, 'b'), { recursive: true });
    await writeFile(join(study, 'a.dcm'), buildImage({ callingAET: 'CT1', extra: EXTRA }));
    await writeFile(join(study, 'b', 'compressed.dcm'), compressed());
    await writeFile(join(study, 'c.txt'), 'no DICOM file');
    await writeFile(join(folder.path, 'rules.json'), JSON.stringify(RULES));
    await writeFile(join(folder.path, 'institutions.plist'), INSTITUTIONS);
    before = await readdir(folder.path, { recursive: true });
  });

  afterAll(() => folder?.remove());

  function dryRun(args: readonly string[], env: Readonly<Record<string, string>> = { NO_COLOR: '1' }): Promise<Finished> {
    const rules = ['--rules', 'rules.json', '--institutions', 'institutions.plist'];
    return runStorestow(['process', '--dry-run', ...rules, ...args], { cwd: folder.path, env });
  }

  it('prints each element that would change, before and after, by the reason', async () => {
    const { stdout, stderr, code } = await dryRun([join('study', 'a.dcm')]);
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    const text = stdout
      .replaceAll(/\d+ -> \d+$/gm, 'N -> N')
      .replace(/"\d{14}\.\d{3}\+0000"/, '"TIME"')
      .replace(/\d+ bytes, proved/, 'N bytes, proved');
    expect(text.split('\n')).toEqual([
      'study/a.dcm: 12 differences',
      '  transfer syntax',
      '    ~ TransferSyntaxUID (0002,0010) UI  1.2.840.10008.1.2.1 (Explicit VR Little Endian) -> 1.2.840.10008.1.2.4.90 (JPEG 2000 reversible)',
      '  site rule [1]: remove ImageType',
      '    - ImageType (0008,0008) CS  "ORIGINAL\\PRIMARY\\AXIAL"',
      '  institution mapping',
      '    ~ InstitutionName (0008,0080) LO  "Hospital as received" -> "North Clinic"',
      '  default rule: set ReferringPhysicianName',
      '    ~ ReferringPhysicianName (0008,0090) PN  "山^太" -> "-^-^-^-"',
      '  default rule: set NameOfPhysiciansReadingStudy',
      '    + NameOfPhysiciansReadingStudy (0008,1060) PN  "-^-^-"',
      '  default rule: remove (0009,xx10)[GEIIS]',
      '    - (0009,1010) UN [GEIIS]  <40 bytes>',
      '  default rule: set StudyID',
      '    ~ StudyID (0020,0010) SH  "STUDY7" -> "29991231235959"',
      '  site rule [0]: set RequestAttributesSequence[1].ScheduledProcedureStepID',
      '    ~ RequestAttributesSequence[1].ScheduledProcedureStepID (0040,0009) SH  "B" -> "STEP"',
      '  Original Attributes: previous values (PS3.3 C.12.1.1.9)',
      '    + OriginalAttributesSequence (0400,0561) SQ  <1 item>',
      '        [0].ModifiedAttributesSequence[0].ImageType (0008,0008) CS  "ORIGINAL\\PRIMARY\\AXIAL"',
      '        [0].ModifiedAttributesSequence[0].InstitutionName (0008,0080) LO  "Hospital as received"',
      '        [0].ModifiedAttributesSequence[0].ReferringPhysicianName (0008,0090) PN  "山^太"',
      '        [0].ModifiedAttributesSequence[0].(0009,0010) LO  "GEIIS"',
      '        [0].ModifiedAttributesSequence[0].(0009,1010) UN  <40 bytes>',
      '        [0].ModifiedAttributesSequence[0].StudyID (0020,0010) SH  "STUDY7"',
      '        [0].ModifiedAttributesSequence[0].RequestAttributesSequence[0].ScheduledProcedureStepID (0040,0009) SH  "A"',
      '        [0].ModifiedAttributesSequence[0].RequestAttributesSequence[1].ScheduledProcedureStepID (0040,0009) SH  "B"',
      '        [0].AttributeModificationDateTime (0400,0562) DT  "TIME"',
      '        [0].ModifyingSystem (0400,0563) LO  "storestow"',
      '        [0].SourceOfPreviousValues (0400,0564) LO  "CT1"',
      '        [0].ReasonForTheAttributeModification (0400,0565) CS  "COERCE"',
      '  encoded to JPEG 2000 reversible',
      '    ~ PixelData (7FE0,0010) OW -> OB  native 16x16x1, 512 bytes -> JPEG 2000 reversible, 1 fragment, N bytes, proved',
      '  group length corrected',
      '    ~ FileMetaInformationGroupLength (0002,0000) UL  N -> N',
      '    ~ (0020,0000) UL  N -> N',
      '1 would change (1 encoded), 0 would not, 0 refused',
      '',
    ]);
  });

  it('lists each file of a folder, says why pixel data stays and what is refused, and ends with 1 for that', async () => {
    const { stdout, code } = await dryRun(['--calling-aet', 'CT1', 'study']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^study\/a\.dcm: 12 differences$[^]*^study\/b\/compressed\.dcm: \d+ differences$[^]*^study\/c\.txt$/m);
    expect(stdout).toContain('  pixel data stays as it is: ALREADY_COMPRESSED\n');
    expect(stdout).toMatch(/\n {2}refused NOT_PART10: this is not a DICOM Part 10 file/);
    expect(stdout).toMatch(/\n2 would change \(1 encoded\), 0 would not, 1 refused\n$/);
    expect(stdout).not.toContain('UNEXPLAINED');
  });

  it('gives one JSON line a file instead', async () => {
    const { stdout, stderr, code } = await dryRun(['--json', '--calling-aet', 'CT1', 'study']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '2 would change (1 encoded), 0 would not, 1 refused\n' });
    const previews = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as FilePreview);
    expect(previews.map(({ input, outcome }) => [input, outcome])).toEqual([
      [join('study', 'a.dcm'), 'changes'],
      [join('study', 'b', 'compressed.dcm'), 'changes'],
      [join('study', 'c.txt'), 'refused'],
    ]);
    expect(previews[0]).toMatchObject({
      encoded: true,
      unexplained: 0,
      differences: expect.arrayContaining([
        {
          kind: 'changed',
          attribute: 'RequestAttributesSequence[1].ScheduledProcedureStepID',
          tag: '(0040,0009)',
          vr: 'SH',
          before: { form: 'text', text: 'B' },
          after: { form: 'text', text: 'STEP' },
          reason: 'site rule [0]: set RequestAttributesSequence[1].ScheduledProcedureStepID',
        },
      ]) as unknown,
    });
  });

  it('is coloured where colours are wanted', async () => {
    const { stdout } = await dryRun([join('study', 'a.dcm')], { FORCE_COLOR: '1' });
    expect(stdout).toContain('\u001b[32m"29991231235959"');
  });

  it('leaves everything as it was', async () => {
    const original = await readFile(join(study, 'a.dcm'));
    await dryRun(['--out', 'out', 'study']);
    expect((await readdir(folder.path, { recursive: true })).toSorted()).toEqual(before.toSorted());
    expect(await readFile(join(study, 'a.dcm'))).toEqual(original);
  });

  it.each([
    ['--json without --dry-run', ['process', 'study', '--out', 'out', '--json'], /--json goes with --dry-run/],
    ['--report with --dry-run', ['process', 'study', '--dry-run', '--report', 'r'], /with --dry-run use --json/],
  ])('is refused with %s', async (_name, args, message) => {
    const { code, stderr } = await runStorestow(args, { cwd: folder.path });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) as unknown });
  });
});

function compressed(): Uint8Array {
  const fragments = [new Uint8Array(0), Uint8Array.of(0xff, 0x4f, 0xff, 0xd9)];
  return buildImage({
    transferSyntaxUID: J2K_LOSSLESS,
    extra: [{ tag: 0x7fe00010, vr: 'OB', value: new Uint8Array(0), fragments }],
  });
}
