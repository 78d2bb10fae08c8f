/** Every public file at hand, judged by other people's programs; `node scripts/public-files.ts` prints the table. */
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFramePool, type FramePool } from '../../core/encode/frame-pool.ts';
import { findPublicFiles, PUBLIC_FOLDERS } from '../support/find-public-files.ts';
import { judgeFiles, type Judgement } from '../support/judge-files.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const files = await findPublicFiles(PUBLIC_FOLDERS);
const peers = ['gdcmconv', 'opj_decompress', 'dciodvfy', 'dcmconv'].map((name) => `/usr/bin/${name}`);
const noJudges = requirePeer(
  "GDCM's tools, libopenjp2-tools, dicom3tools or DCMTK",
  peers.every((peer) => existsSync(peer)),
);
const noFiles = requirePeer('pydicom with its public files', existsSync('/usr/lib/python3/dist-packages/pydicom/data'));

describe.skipIf(noJudges || noFiles)('public files', () => {
  let scratch: TemporaryFolder;
  let pool: FramePool;
  let judgements: readonly Judgement[];

  beforeAll(async () => {
    scratch = await temporaryFolder('public-files');
    pool = createFramePool();
    judgements = await judgeFiles(files, pool, scratch.path);
  });

  afterAll(async () => {
    await pool?.close();
    await scratch?.remove();
  });

  it('are read, or refused with a code', () => {
    expect(judgements.map(({ file }) => file)).toEqual(files);
    for (const { file, outcome } of judgements) {
      expect(outcome, file).toMatch(
        /^(read|NOT_PART10|MALFORMED|TRUNCATED|UNSUPPORTED_TRANSFER_SYNTAX|MISSING_UID|INVALID_UID)$/,
      );
    }
    expect(judgements.filter(({ outcome }) => outcome === 'read').length).toBeGreaterThan(files.length / 2);
  });

  it('have no change that is not named, the same pixels by two decoders, and no new error', () => {
    const wrong = judgements.filter(({ problems }) => problems.length > 0);
    expect(wrong.map(({ file, problems }) => [basename(file), ...problems])).toEqual([]);
  });

  it('are encoded with every frame proved, or not encoded for a reason', () => {
    const read = judgements.filter(({ outcome }) => outcome === 'read');
    for (const { file, encoded, provedFrames = 0 } of read) {
      expect(encoded, file).not.toBe('');
      expect(provedFrames > 0, file).toBe(encoded === 'J2K');
    }
    expect(read.filter(({ encoded }) => encoded === 'J2K').length).toBeGreaterThan(20);
  });
});
