import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProgress, type Progress } from '../../../cli/progress.ts';

describe('progress where there is no terminal', () => {
  let written: string;
  let progress: Progress;

  beforeEach(() => {
    vi.useFakeTimers();
    written = '';
    const stream = new Writable({
      write(chunk: Buffer, _encoding, done) {
        written += chunk.toString();
        done();
      },
    });
    progress = createProgress({ label: 'ingested', unit: 'instances', total: 3, stream: stream as NodeJS.WriteStream });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('writes at its end what was done, once, and without control characters', () => {
    for (let step = 0; step < 3; step++) progress.step();
    progress.stop();
    progress.stop();
    expect(written).toBe('ingested: 3 of 3 instances\n');
  });

  it('writes a line now and then, not one a step', () => {
    for (let step = 1; step <= 100; step++) {
      progress.step(100);
      vi.advanceTimersByTime(100);
    }
    progress.stop();
    const lines = written.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.length).toBeLessThan(10);
    expect(lines.at(-1)).toBe('ingested: 100 of 100 instances');
  });

  it('writes the last change although nothing follows it', () => {
    progress.step();
    expect(written).toBe('');
    vi.advanceTimersByTime(5000);
    expect(written).toBe('ingested: 1 of 3 instances\n');
  });

  it('never has more done than there are', () => {
    for (let step = 0; step < 5; step++) progress.step();
    progress.stop();
    expect(written).toBe('ingested: 5 of 5 instances\n');
  });

  it('says what is waited for, and no more when it came', () => {
    progress.note('2 wait to be tried again: ARCHIVE_UNAVAILABLE', 4);
    vi.advanceTimersByTime(5000);
    expect(written).toBe('ingested: 0 of 4 instances; 2 wait to be tried again: ARCHIVE_UNAVAILABLE\n');
    written = '';
    progress.note('', 4);
    progress.step();
    progress.stop();
    expect(written).toBe('ingested: 1 of 4 instances\n');
  });

  it('writes nothing where there was nothing to do', () => {
    progress.stop();
    expect(written).toBe('');
  });
});
