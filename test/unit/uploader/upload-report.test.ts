import { describe, expect, it } from 'vitest';
import {
  LISTED,
  listedRoom,
  uploadExitCode,
  UploadTally,
  type FileReport,
} from '../../../local-uploader/upload/upload-report.ts';

const uploaded: FileReport = { path: 'a', outcome: 'uploaded', after: 'removed' };
const present: FileReport = { path: 'b', outcome: 'present', after: 'kept' };
const foreign: FileReport = { path: 'c', outcome: 'foreign', code: 'NOT_PART10' };
const waiting: FileReport = { path: 'd', outcome: 'waiting' };
const damaged: FileReport = { path: 'e', outcome: 'damaged', code: 'MALFORMED', retryable: false };
const denied: FileReport = { path: 'f', outcome: 'failed', code: 'STORE_DENIED', retryable: false };
const down: FileReport = { path: 'g', outcome: 'failed', code: 'STORE_UNAVAILABLE', retryable: true };
const stuck: FileReport = { path: 'h', outcome: 'uploaded', code: 'SPOOL_INVALID', retryable: false };

function tallied(files: readonly FileReport[]): UploadTally {
  const tally = new UploadTally();
  for (const file of files) tally.add(file);
  return tally;
}

describe('UploadTally', () => {
  it('counts each file once, by its last outcome, and lists by path', () => {
    const tally = tallied([waiting, damaged, stuck, down, uploaded]);
    tally.add({ ...uploaded, path: damaged.path });
    const { counts, files } = tally.report('/s', { leftToOther: false });
    expect(counts).toEqual({
      uploaded: 3,
      present: 0,
      waiting: 1,
      foreign: 0,
      damaged: 0,
      failed: 1,
      retryable: 1,
      notPutAway: 1,
    });
    expect(files.map(({ path, outcome }) => path + outcome)).toEqual([
      'auploaded',
      'dwaiting',
      'euploaded',
      'gfailed',
      'huploaded',
    ]);
  });

  it('forgets what waited', () => {
    const tally = tallied([waiting, down]);
    tally.forgetWaiting();
    expect(tally.report('/s', { leftToOther: false })).toMatchObject({ counts: { waiting: 0, failed: 1 }, files: [down] });
  });

  it('lists the first of each kind only, and counts all', () => {
    const many = (file: FileReport): FileReport[] =>
      Array.from({ length: LISTED + 1 }, (_, index) => ({ ...file, path: file.path + index }));
    const { counts, files } = tallied([...many(uploaded), ...many(down)]).report('/s', { leftToOther: false });
    expect(counts).toMatchObject({ uploaded: LISTED + 1, failed: LISTED + 1, retryable: LISTED + 1 });
    expect(files).toHaveLength(2 * LISTED);
  });

  it('of several folders that share the room lists as many as one does; what is not listed any more leaves its room to others', () => {
    const room = listedRoom();
    const tallies = [new UploadTally(room), new UploadTally(room)] as const;
    for (let index = 0; index < LISTED; index++) tallies[0].add({ ...waiting, path: `a${index}` });
    tallies[1].add(down);
    const listed = (): number[] => tallies.map((tally) => tally.report('/s', { leftToOther: false }).files.length);
    expect(listed()).toEqual([LISTED, 0]);
    tallies[1].add(uploaded);
    tallies[0].forgetWaiting();
    tallies[1].add({ ...down, path: 'again' });
    expect(listed()).toEqual([0, 2]);
    expect(tallies[1].report('/s', { leftToOther: false }).counts).toMatchObject({ failed: 2, uploaded: 1 });
    expect(room).toEqual({ done: LISTED - 1, others: LISTED - 1 });
  });
});

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
    expect(uploadExitCode([tallied(files).report('/s', { leftToOther: false })])).toBe(code);
  });
});
