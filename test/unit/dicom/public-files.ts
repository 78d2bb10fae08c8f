/** Public files, where they lie beside the repository or come with Debian's python3-pydicom; and a Python that has pydicom. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const CORPUS = join(import.meta.dirname, '../../../../shared/corpus');

function dicomFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dcm'))
    .map((name) => join(folder, name))
    .sort();
}

/** A Python that has pydicom, and pydicom's own test files. */
function findPydicom(): { python: string; folder: string } | undefined {
  for (const python of ['python3', '/usr/bin/python3']) {
    try {
      const script = 'import os, pydicom; print(os.path.join(os.path.dirname(pydicom.__file__), "data", "test_files"))';
      const folder = execFileSync(python, ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
      return { python, folder };
    } catch {
      continue;
    }
  }
  return undefined;
}

export const pydicom = findPydicom();
const corpusFiles = existsSync(CORPUS) ? dicomFiles(CORPUS) : [];
const pydicomFiles = pydicom !== undefined && existsSync(pydicom.folder) ? dicomFiles(pydicom.folder) : [];

/** Of the corpus and of pydicom. */
export const publicFiles: readonly string[] = [...corpusFiles, ...pydicomFiles];

/** For titles of tests: the file and its folder. */
export function nameOf(file: string): string {
  return file.split('/').slice(-2).join('/');
}

/** Why a file is not read, for those that are not. */
const REFUSED: Readonly<Record<string, string>> = {
  'OT-PAL-8-face.dcm': 'NOT_PART10',
  'ExplVR_BigEndNoMeta.dcm': 'NOT_PART10',
  'ExplVR_LitEndNoMeta.dcm': 'NOT_PART10',
  'no_meta.dcm': 'NOT_PART10',
  'rtstruct.dcm': 'NOT_PART10',
  'meta_missing_tsyntax.dcm': 'UNSUPPORTED_TRANSFER_SYNTAX',
  'MR_truncated.dcm': 'TRUNCATED',
  'rtplan_truncated.dcm': 'TRUNCATED',
  // Implicit VR behind a transfer syntax that is explicit
  'SC_rgb_jpeg.dcm': 'MALFORMED',
};

/** The code of the error with which a file is refused; undefined for a file that is read. */
export function refusalOf(file: string): string | undefined {
  return REFUSED[file.split('/').at(-1) ?? ''];
}
