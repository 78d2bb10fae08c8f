/**
 * `node scripts/public-files.ts [folder…]`: a table of public DICOM files: what was read, what changed, what was encoded, and
 * whether other people's programs agree (test/support/judge-files.ts). Without folders those of ../shared/corpus and of
 * Debian's python3-pydicom that are there. Needs pydicom, GDCM's tools, libopenjp2-tools and dicom3tools. Ends with 1 where
 * one of them does not agree.
 */
import { basename } from 'node:path';
import { createFramePool } from '../core/encode/frame-pool.ts';
import { findPublicFiles, PUBLIC_FOLDERS } from '../test/support/find-public-files.ts';
import { judgeFiles, type Judgement } from '../test/support/judge-files.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cells({ file, outcome, changed, encoded, provedFrames, problems }: Judgement): string[] {
  const proof = provedFrames === undefined ? '' : `${provedFrames} frame${provedFrames === 1 ? '' : 's'} by OpenJPEG and GDCM`;
  return [basename(file), outcome, changed.join(', '), encoded, problems.length === 0 ? proof : problems.join('; ')];
}

const given = process.argv.slice(2);
const scratch = await temporaryFolder('public-files');
const pool = createFramePool();
try {
  const files = await findPublicFiles(given.length > 0 ? given : PUBLIC_FOLDERS);
  const judgements = await judgeFiles(files, pool, scratch.path);
  console.log(line(['file', 'read', 'changed elements', 'encoded, or why not', 'proof, or problem']));
  console.log(line(['---', '---', '---', '---', '---']));
  for (const judgement of judgements) console.log(line(cells(judgement)));
  const read = judgements.filter(({ outcome }) => outcome === 'read').length;
  const encoded = judgements.filter(({ provedFrames }) => provedFrames !== undefined).length;
  const wrong = judgements.filter(({ problems }) => problems.length > 0).length;
  console.log(
    `\n${files.length} files: ${read} read, ${files.length - read} refused; ${encoded} encoded; ${wrong} with a problem`,
  );
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  await pool.close();
  await scratch.remove();
}
