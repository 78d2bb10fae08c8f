/**
 * Public files prepared as storestow prepares them, and judged by programs that share no code with it: pydicom compares every
 * element, OpenJPEG and GDCM decode every frame, dicom3tools' dciodvfy validates before and after.
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DEFAULT_RULES } from '../../core/coerce/default-rules.ts';
import type { RuleSet } from '../../core/coerce/rule-set.ts';
import { mapConcurrently } from '../../core/concurrency.ts';
import { inMemory } from '../../core/dicom/byte-source.ts';
import { tagOf } from '../../core/dicom/dictionary.ts';
import type { FramePool } from '../../core/encode/frame-pool.ts';
import { asStorestowError } from '../../core/errors.ts';
import { prepareInstance, type PreparedInstance } from '../../core/prepare-instance.ts';
import { DEFLATED_LE, EXPLICIT_BE, IMPLICIT_LE } from './build-dicom.ts';

const run = promisify(execFile);
/** Debian's, of its package python3-pydicom. */
const PYTHON = '/usr/bin/python3';
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const RULES: RuleSet = {
  rules: DEFAULT_RULES,
  institutions: new Map([['CT1', 'Example Hospital']]),
  unknownSource: 'quarantine',
  originalAttributes: true,
};
const SOURCE = { callingAET: 'CT1', callingIP: '10.0.0.5', receivedAt: new Date('2026-11-24T09:30:00Z') };

export interface Judgement {
  readonly file: string;
  /** `read`, or the code of its refusal. */
  readonly outcome: string;
  /** Attributes that rules changed. */
  readonly changed: readonly string[];
  /** `J2K`, or the reason why it goes as it was received. */
  readonly encoded: string;
  /** Frames that both decoders decoded to the original pixels. */
  readonly provedFrames?: number;
  /** What a judge found wrong; empty where all is well. */
  readonly problems: readonly string[];
}

interface Prepared {
  readonly file: string;
  readonly output: string;
  readonly prepared: PreparedInstance;
}

/** `scratch` is a folder for what is written. */
export async function judgeFiles(files: readonly string[], pool: FramePool, scratch: string): Promise<readonly Judgement[]> {
  const results = await mapConcurrently(files, 2, async (file) =>
    prepare(file, pool, join(scratch, `${files.indexOf(file)}.dcm`)),
  );
  const written = results.filter((result): result is Prepared => !('code' in result));
  const elements = await judgeElements(written, scratch);
  const pixels = await judgePixels(
    written.filter(({ prepared }) => prepared.encoded),
    scratch,
  );
  const validity = new Map(await mapConcurrently(written, 2, async (one) => [one.file, await judgeValidity(one)] as const));
  return results.map((result) => {
    const { file } = result;
    if ('code' in result) return { file, outcome: result.code, changed: [], encoded: '', problems: [] };
    const { prepared } = result;
    const decoded = pixels.get(file);
    return {
      file,
      outcome: 'read',
      changed: prepared.applied.map(({ action, attribute }) => `${action} ${attribute}`),
      encoded: prepared.encoded ? 'J2K' : (prepared.reason ?? ''),
      ...(decoded === undefined ? {} : { provedFrames: decoded.problems.length === 0 ? decoded.frames : 0 }),
      problems: [
        ...(elements.get(file) ?? ['pydicom says nothing']),
        ...(decoded?.problems ?? []),
        ...(validity.get(file) ?? []),
      ],
    };
  });
}

async function prepare(
  file: string,
  pool: FramePool,
  output: string,
): Promise<Prepared | { readonly file: string; readonly code: string }> {
  try {
    const prepared = await prepareInstance(await readFile(file), SOURCE, RULES, pool);
    await writeFile(output, inMemory(prepared.segments));
    return { file, output, prepared };
  } catch (thrown) {
    return { file, code: asStorestowError(thrown).code };
  }
}

async function askPython<Line>(name: string, written: readonly Prepared[], scratch: string): Promise<readonly Line[]> {
  if (written.length === 0) return [];
  const pairs = join(scratch, `${name}.json`);
  await writeFile(pairs, JSON.stringify(written.map(({ file, output }) => [file, output])));
  const { stdout } = await run(PYTHON, [script(name), pairs, scratch], { maxBuffer: 1 << 28 });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** Bytes where the encoding is the same, values where Implicit VR or big endian became Explicit VR Little Endian. */
async function judgeElements(written: readonly Prepared[], scratch: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const rewritten = written.filter(
    ({ prepared: { syntaxReceived, syntaxSent } }) =>
      syntaxReceived !== syntaxSent && [IMPLICIT_LE, EXPLICIT_BE].includes(syntaxReceived),
  );
  const kept = written.filter((one) => !rewritten.includes(one));
  const bytes = await askPython<{ unreadable?: string; changed?: string[] }>('compare-files.py', kept, scratch);
  const values = await askPython<{ unreadable?: string; different?: string[] }>('compare-values.py', rewritten, scratch);
  return new Map([
    ...kept.map((one, index) => [one.file, unnamed(one, bytes[index]?.unreadable, bytes[index]?.changed)] as const),
    ...rewritten.map((one, index) => [one.file, unnamed(one, values[index]?.unreadable, values[index]?.different)] as const),
  ]);
}

const ORIGINAL_ATTRIBUTES = '0400,0561';
const ENCODING = ['PixelData', 'PhotometricInterpretation', 'PlanarConfiguration'];

function unnamed(
  { prepared }: Prepared,
  unreadable: string | undefined,
  changed: readonly string[] | undefined,
): readonly string[] {
  if (unreadable !== undefined || changed === undefined) return [`pydicom: ${unreadable ?? 'no answer'}`];
  const named = new Set([
    ...prepared.applied.map(({ attribute }) => tagText(attribute)),
    ORIGINAL_ATTRIBUTES,
    ...(prepared.encoded ? ENCODING.map(tagText) : []),
  ]);
  return changed
    .filter((path) => !named.has(path) && !isInOriginalAttributes(path) && !isGroupLengthOf(path, changed))
    .map((path) => `pydicom: unnamed change of ${path}`);
}

function isInOriginalAttributes(path: string): boolean {
  return path.startsWith(`${ORIGINAL_ATTRIBUTES}[`);
}

/** PS3.5 7.2: the length of a group in which something changed. */
function isGroupLengthOf(path: string, changed: readonly string[]): boolean {
  return path.endsWith(',0000') && changed.some((other) => other !== path && other.startsWith(path.slice(0, 5)));
}

/** `StudyID`, `(0009,1110)` → `0020,0010` */
function tagText(attribute: string): string {
  const tag = tagOf(attribute);
  if (tag === undefined) return attribute.replace(/[()]/g, '').toLowerCase();
  const digits = tag.toString(16).padStart(8, '0');
  return `${digits.slice(0, 4)},${digits.slice(4)}`;
}

interface Decoded {
  readonly frames: number;
  readonly problems: readonly string[];
}

async function judgePixels(encoded: readonly Prepared[], scratch: string): Promise<ReadonlyMap<string, Decoded>> {
  const lines = await askPython<{ frames: number; openjpeg: string | null; gdcm: string | null }>(
    'compare-pixels.py',
    encoded,
    scratch,
  );
  return new Map(
    lines.map(({ frames, openjpeg, gdcm }, index) => {
      const problems = [
        ...(openjpeg === null ? [] : [`opj_decompress: ${openjpeg}`]),
        ...(gdcm === null ? [] : [`GDCM: ${gdcm}`]),
      ];
      return [encoded[index]?.file ?? '', { frames, problems }];
    }),
  );
}

/**
 * InstitutionName in an object that had none makes the General Equipment Module, which some IODs leave to the user (PS3.3 A.1.3.3),
 * one that is there, and so its Manufacturer missing. The institution mapping asks for it.
 */
const OF_THE_INSTITUTION = 'Error - Missing attribute Type 2 Required Element=<Manufacturer> Module=<GeneralEquipment>';

/** Errors that the output has and the input has not. */
async function judgeValidity({ file, output, prepared }: Prepared): Promise<readonly string[]> {
  const before = await errorsOf(prepared.syntaxReceived === DEFLATED_LE ? await inflated(file, `${output}.inflated`) : file);
  const after = await errorsOf(output);
  const explained = prepared.applied.some(({ rule }) => rule === 'institution') ? OF_THE_INSTITUTION : undefined;
  return [...after].filter((error) => !before.has(error) && error !== explained).map((error) => `dciodvfy: ${error}`);
}

/** dciodvfy does not read what is deflated. */
async function inflated(file: string, to: string): Promise<string> {
  await run('dcmconv', ['+te', file, to]);
  return to;
}

async function errorsOf(file: string): Promise<ReadonlySet<string>> {
  // Ends with 1 where it finds errors
  const said = await run('dciodvfy', [file], { encoding: 'latin1', maxBuffer: 1 << 26 }).catch((error: unknown) => {
    if (error instanceof Error && 'stderr' in error && typeof error.stderr === 'string') return { stderr: error.stderr };
    throw error;
  });
  return new Set(said.stderr.split('\n').filter((line) => line.startsWith('Error')));
}
