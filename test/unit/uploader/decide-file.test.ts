import { describe, expect, it } from 'vitest';
import { decideFile, type FileDecision, type FilePlace, type FileState } from '../../../local-uploader/upload/decide-file.ts';

const PLACES: readonly FilePlace[] = ['receiving', 'received', 'elsewhere'];

/** The decision in `receiving/`, in `received/` and elsewhere; one stands for all. */
const TABLE: readonly (readonly [age: number, read: FileState['read'], ...decisions: FileDecision[]])[] = [
  [0, undefined, 'wait'],
  [0.9, undefined, 'wait'],
  [0.9, 'whole', 'wait'],
  [0.9, 'pixelless', 'wait'],
  [0.9, 'blank', 'wait'],
  [0.9, 'TRUNCATED', 'wait'],
  [0.9, 'NOT_PART10', 'wait'],
  [-0.9, 'whole', 'wait'],
  [1, undefined, 'read'],
  [-3600, undefined, 'read'],
  [1, 'whole', 'upload'],
  [-3600, 'whole', 'upload'],
  [60, 'pixelless', 'damaged', 'upload', 'upload'],
  [60, 'blank', 'damaged', 'damaged', 'foreign'],
  [60, 'FILE_CHANGED', 'wait'],
  [60, 'NOT_PART10', 'foreign'],
  [60, 'TRUNCATED', 'damaged'],
  [60, 'MALFORMED', 'damaged'],
  [60, 'UNSUPPORTED_TRANSFER_SYNTAX', 'damaged'],
  [60, 'MISSING_UID', 'damaged'],
  [60, 'INVALID_UID', 'damaged'],
  [60, 'SPOOL_INVALID', 'retry'],
  [60, 'INTERNAL', 'retry'],
];

describe('decideFile', () => {
  it.each(TABLE.map((row) => [row] as const))('last write, read → decisions: %j', ([age, read, ...decisions]) => {
    const decided = PLACES.map((place) => decideFile({ place, age, settle: 1, ...(read === undefined ? {} : { read }) }));
    expect(decided).toEqual(decisions.length === 1 ? PLACES.map(() => decisions[0]) : decisions);
  });

  it('waits for nothing where nothing is written in place', () => {
    expect(decideFile({ place: 'received', age: 0, settle: 0, read: 'whole' })).toBe('upload');
  });
});
