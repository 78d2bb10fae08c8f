import { fstatSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isJournal, journalPrefix, loggerCommand, severityOf } from '../../core/syslog.ts';

describe('severityOf', () => {
  it.each([
    [70, 'crit', '<2>'],
    [60, 'crit', '<2>'],
    [50, 'err', '<3>'],
    [40, 'warning', '<4>'],
    [30, 'info', '<6>'],
    [20, 'debug', '<7>'],
    [10, 'debug', '<7>'],
  ] as const)('level %i: %s, %s in the journal', (level, severity, prefix) => {
    expect(severityOf(level)).toBe(severity);
    expect(journalPrefix(severity)).toBe(prefix);
  });
});

describe('loggerCommand', () => {
  it.each([
    ['linux', undefined, ['logger', '-t', 'storestow-upload', '-p', 'daemon.err', '--size', '32KiB']],
    ['linux', '/run/log', ['logger', '-t', 'storestow-upload', '-p', 'daemon.err', '--size', '32KiB', '-u', '/run/log']],
    ['darwin', undefined, ['logger', '-t', 'storestow-upload', '-p', 'daemon.err']],
  ] as const)('%s, socket %s', (platform, socket, command) => {
    expect(loggerCommand('err', { tag: 'storestow-upload', platform, socket })).toEqual(command);
  });
});

describe('isJournal', () => {
  const descriptor = openSync(import.meta.filename, 'r');
  const { dev, ino } = fstatSync(descriptor);

  it.each([
    [descriptor, `${dev}:${ino}`, true],
    [descriptor, `${dev}:${ino + 1}`, false],
    [descriptor, undefined, false],
    [9999, `${dev}:${ino}`, false],
  ])('descriptor %s, JOURNAL_STREAM %s: %s', (given, stream, expected) => {
    expect(isJournal(given, stream)).toBe(expected);
  });
});
