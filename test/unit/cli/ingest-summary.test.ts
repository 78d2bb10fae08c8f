import { beforeEach, describe, expect, it } from 'vitest';
import { IngestSummary } from '../../../cli/ingest-summary.ts';
import type { AuditRecord } from '../../../core/audit/record.ts';
import { toTags } from '../../../core/audit/tags.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import type { ObjectStore } from '../../../core/store/object-store.ts';
import type { FileReport } from '../../../local-uploader/upload/upload-report.ts';

const STOWED: AuditRecord = { status: { kind: 'stowed' }, institution: 'North Clinic' };

describe('the summary of up FOLDER', () => {
  let store: ObjectStore;
  let summary: IngestSummary;

  beforeEach(() => {
    store = createMemoryStore();
    summary = new IngestSummary();
  });

  /** An object with an outcome, or without, and the report of its file. */
  async function object(name: string, record?: AuditRecord, report: Partial<FileReport> = {}): Promise<void> {
    const key = `incoming/default/CT1@127.0.0.1/1.2/1.2.3/${name}~000000000000.dcm`;
    await store.put(key, new Uint8Array(1), { ifAbsent: true, ...(record === undefined ? {} : { tags: toTags(record) }) });
    const path = `/study/${name}`;
    summary.addFile({ path, outcome: 'uploaded', key, studyInstanceUID: '1.2', size: 1000, ...report });
    if (record !== undefined) summary.addResult({ key, state: record.status.kind, sentLength: 400 });
  }

  /** Cells of the rows below the head. */
  async function rows(): Promise<readonly (readonly string[])[]> {
    await summary.readOutcomes(store);
    return summary
      .table()
      .split('\n')
      .filter((line) => line.startsWith('│'))
      .slice(1)
      .map((line) =>
        line
          .split('│')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
  }

  it('adds up the instances of a study with one outcome', async () => {
    await object('1', STOWED);
    await object('2', STOWED);
    expect(await rows()).toEqual([['1.2', '2', '2.0 kB', '800 B', 'North Clinic', 'stowed']]);
    expect(summary.allStowed).toBe(true);
    expect(summary.problems()).toEqual([]);
  });

  it('keeps apart institutions and outcomes, and names the files that were not stowed', async () => {
    await object('1', STOWED);
    await object('2', { status: { kind: 'quarantined', reason: 'UNKNOWN_SOURCE' } });
    await object('3', { status: { kind: 'failed', reason: 'ARCHIVE_UNAVAILABLE' } });
    await object('4');
    expect((await rows()).map((cells) => cells.at(-1))).toEqual([
      'stowed',
      'quarantined/UNKNOWN_SOURCE',
      'failed/ARCHIVE_UNAVAILABLE',
      'pending',
    ]);
    expect(summary.problems()).toEqual([
      'quarantined/UNKNOWN_SOURCE  /study/2',
      'failed/ARCHIVE_UNAVAILABLE  /study/3',
      'pending  /study/4',
    ]);
    expect(summary.allStowed).toBe(false);
  });

  it('takes outcomes from the tags: of what was there before, the bytes sent are not known', async () => {
    await object('1', STOWED, { outcome: 'present' });
    const again = new IngestSummary();
    again.addFile({ path: '/study/1', outcome: 'present', key: summary.keys[0] ?? '', studyInstanceUID: '1.2', size: 1000 });
    summary = again;
    expect(await rows()).toEqual([['1.2', '1', '1.0 kB', '', 'North Clinic', 'stowed']]);
    expect(summary.allStowed).toBe(true);
  });

  it('lists what was not taken; what is no DICOM is no failure', async () => {
    await object('1', STOWED);
    summary.addFile({ path: '/study/notes.txt', outcome: 'foreign', code: 'NOT_PART10', size: 10 });
    expect(await rows()).toContainEqual(['not taken', '1', '10 B', '', '', 'foreign/NOT_PART10']);
    expect(summary.allStowed).toBe(true);
    summary.addFile({ path: '/study/cut', outcome: 'damaged', code: 'TRUNCATED', size: 10 });
    expect(await rows()).toContainEqual(['not taken', '1', '10 B', '', '', 'damaged/TRUNCATED']);
    expect(summary.allStowed).toBe(false);
    expect(summary.problems()).toEqual(['foreign/NOT_PART10  /study/notes.txt', 'damaged/TRUNCATED  /study/cut']);
  });

  it('forgets that a file was left once it is taken', async () => {
    summary.addFile({ path: '/study/1', outcome: 'failed', code: 'STORE_UNAVAILABLE', size: 1000 });
    await object('1', STOWED);
    expect(await rows()).toHaveLength(1);
    expect(summary.allStowed).toBe(true);
  });

  it('counts an outcome once, and says what waits and why', () => {
    const key = (name: string): string => `incoming/${name}`;
    expect(summary.addResult({ key: key('1'), state: 'retry', code: 'ARCHIVE_UNAVAILABLE' })).toBe(false);
    expect(summary.addResult({ key: key('2'), state: 'retry', code: 'STORE_UNAVAILABLE' })).toBe(false);
    expect(summary.waiting()).toBe('2 wait to be tried again: ARCHIVE_UNAVAILABLE, STORE_UNAVAILABLE');
    expect(summary.addResult({ key: key('1'), state: 'stowed' })).toBe(true);
    expect(summary.addResult({ key: key('1'), state: 'skipped' })).toBe(false);
    expect(summary.waiting()).toBe('1 wait to be tried again: STORE_UNAVAILABLE');
    expect(summary.addResult({ key: key('2'), state: 'quarantined', code: 'CONFLICT' })).toBe(true);
    expect(summary.waiting()).toBe('');
  });

  it('shows a hostile file name harmlessly', () => {
    summary.addFile({ path: '/study/\u001b[2J', outcome: 'foreign', code: 'NOT_PART10' });
    expect(summary.problems()).toEqual(['foreign/NOT_PART10  /study/\ufffd[2J']);
  });
});
