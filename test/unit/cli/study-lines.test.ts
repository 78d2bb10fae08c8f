import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StudyLines } from '../../../cli/study-lines.ts';
import { objectKey } from '../../../core/store/object-key.ts';

const NOW = new Date('2026-11-24T12:00:00.000Z');

function key(study: string, sop: string): string {
  return objectKey({
    site: 'north',
    callingAET: 'CT1',
    callingIP: '10.0.0.7',
    studyInstanceUID: study,
    seriesInstanceUID: '1.2.3.1',
    sopInstanceUID: sop,
    digest: '0123456789ab',
  });
}

describe('StudyLines', () => {
  let stream: PassThrough;
  let lines: StudyLines;
  const written = (): string => String((stream.read() as Buffer | null) ?? '');

  beforeEach(() => {
    vi.useFakeTimers({ now: NOW });
    stream = new PassThrough();
    lines = new StudyLines(stream);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('writes a line a second for each study, with its outcomes counted', () => {
    lines.add({ key: key('1.2.3', '1'), state: 'stowed' });
    lines.add({ key: key('1.2.3', '2'), state: 'quarantined', code: 'UNKNOWN_SOURCE' });
    lines.add({ key: key('1.2.4', '1'), state: 'stowed' });
    vi.advanceTimersByTime(999);
    expect(written()).toBe('');
    lines.add({ key: key('1.2.3', '3'), state: 'stowed' });
    vi.advanceTimersByTime(1);
    expect(written()).toBe(
      '2026-11-24T12:00:01.000Z study 1.2.3: 2 stowed, 1 quarantined/UNKNOWN_SOURCE\n' +
        '2026-11-24T12:00:01.000Z study 1.2.4: 1 stowed\n',
    );
  });

  it('counts each outcome in one line only, and writes nothing where nothing came', () => {
    lines.add({ key: key('1.2.3', '1'), state: 'stowed' });
    vi.advanceTimersByTime(1000);
    written();
    vi.advanceTimersByTime(5000);
    expect(written()).toBe('');
    lines.add({ key: key('1.2.3', '2'), state: 'stowed' });
    vi.advanceTimersByTime(1000);
    expect(written()).toContain('study 1.2.3: 1 stowed\n');
  });

  it('writes what has gathered at the end, and not again', () => {
    lines.add({ key: key('1.2.3', '1'), state: 'stowed' });
    lines.flush();
    expect(written()).toBe('2026-11-24T12:00:00.000Z study 1.2.3: 1 stowed\n');
    expect(vi.getTimerCount()).toBe(0);
    lines.flush();
    expect(written()).toBe('');
  });

  it('lets no control character of a UID, nor of a key that is none, reach the terminal', () => {
    lines.add({ key: key('1.2\u001b[2J', '1'), state: 'stowed' });
    lines.add({ key: 'other/\u0007\nkey', state: 'stowed' });
    lines.flush();
    const text = written();
    expect(text.split('\n')).toHaveLength(3);
    expect(text.replaceAll('\n', '')).toMatch(/^\P{Cc}*$/u);
    expect(text).toContain('study 1.2\u{fffd}[2J: 1 stowed\n');
  });
});
