import { describe, expect, it } from 'vitest';
import { uploadExitCode, type FileReport } from '../../../local-uploader/upload-report.ts';

const uploaded: FileReport = { path: 'a', outcome: 'uploaded', after: 'removed' };
const present: FileReport = { path: 'b', outcome: 'present', after: 'kept' };
const foreign: FileReport = { path: 'c', outcome: 'foreign', code: 'NOT_PART10' };
const waiting: FileReport = { path: 'd', outcome: 'waiting' };
const damaged: FileReport = { path: 'e', outcome: 'damaged', code: 'MALFORMED', retryable: false };
const denied: FileReport = { path: 'f', outcome: 'failed', code: 'STORE_DENIED', retryable: false };
const down: FileReport = { path: 'g', outcome: 'failed', code: 'STORE_UNAVAILABLE', retryable: true };
const stuck: FileReport = { path: 'h', outcome: 'uploaded', code: 'SPOOL_INVALID', retryable: false };

describe('uploadExitCode', () => {
  it.each<[string, FileReport[], number]>([
    ['nothing', [], 0],
    ['uploaded, present, foreign', [uploaded, present, foreign], 0],
    ['one damaged', [uploaded, damaged], 1],
    ['one failed for good', [uploaded, denied], 1],
    ['one in the bucket that cannot be removed', [stuck], 1],
    ['one waiting', [uploaded, waiting], 75],
    ['one failed for now', [uploaded, down], 75],
    ['one for good, one for now', [denied, down], 75],
  ])('%s → %i', (_, files, code) => {
    expect(uploadExitCode([{ folder: '/s', files, leftToOther: false }])).toBe(code);
  });
});
