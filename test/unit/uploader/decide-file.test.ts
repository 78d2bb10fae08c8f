import { describe, expect, it } from 'vitest';
import { decideFile, type FileDecision, type FileState } from '../../../local-uploader/decide-file.ts';

const TABLE: readonly (readonly [age: number, read: FileState['read'], decision: FileDecision])[] = [
  [0, undefined, 'wait'],
  [0.9, undefined, 'wait'],
  [0.9, 'whole', 'wait'],
  [0.9, 'TRUNCATED', 'wait'],
  [0.9, 'NOT_PART10', 'wait'],
  [-0.9, 'whole', 'wait'],
  [1, undefined, 'read'],
  [-3600, undefined, 'read'],
  [1, 'whole', 'upload'],
  [-3600, 'whole', 'upload'],
  [60, 'FILE_CHANGED', 'wait'],
  [60, 'NOT_PART10', 'foreign'],
  [60, 'TRUNCATED', 'damaged'],
  [60, 'MALFORMED', 'damaged'],
  [60, 'UNSUPPORTED_TRANSFER_SYNTAX', 'damaged'],
  [60, 'MISSING_UID', 'damaged'],
  [60, 'SPOOL_INVALID', 'retry'],
  [60, 'INTERNAL', 'retry'],
];

describe('decideFile', () => {
  it.each(TABLE)('last write %d s ago, read: %s → %s', (age, read, decision) => {
    expect(decideFile({ age, settle: 1, ...(read === undefined ? {} : { read }) })).toBe(decision);
  });

  it('waits for nothing where nothing is written in place', () => {
    expect(decideFile({ age: 0, settle: 0, read: 'whole' })).toBe('upload');
  });
});
