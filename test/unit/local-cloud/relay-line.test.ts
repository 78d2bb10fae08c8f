import { describe, expect, it } from 'vitest';
import { createLog } from '../../../core/logging.ts';
import { relayLine } from '../../../local-cloud/relay-line.ts';

describe('relayLine', () => {
  const table: [string, [string, unknown, string] | undefined][] = [
    [
      '{"level":30,"time":"t","name":"ingest","pid":7,"study":"1.2","msg":"stowed"}',
      ['info', { pid: 7, study: '1.2' }, 'stowed'],
    ],
    ['{"level":50,"err":{"code":"MALFORMED"},"msg":"quarantined"}', ['error', { err: { code: 'MALFORMED' } }, 'quarantined']],
    ['{"level":30}', ['info', {}, '']],
    ['Segmentation fault', ['warn', { line: 'Segmentation fault' }, 'the uploader printed']],
    ['{"level":31,"msg":"x"}', ['warn', { line: '{"level":31,"msg":"x"}' }, 'the uploader printed']],
    ['null', ['warn', { line: 'null' }, 'the uploader printed']],
    ['x'.repeat(5000), ['warn', { line: 'x'.repeat(4096) }, 'the uploader printed']],
    ['  ', undefined],
  ];
  it.each(table)('%s', (line, expected) => {
    const lines: unknown[] = [];
    const log = createLog({ level: 'silent' });
    for (const level of ['info', 'warn', 'error'] as const) {
      log[level] = (fields: unknown, message?: unknown) => void lines.push([level, fields, message]);
    }
    relayLine(log, line, 'the uploader');
    expect(lines).toEqual(expected === undefined ? [] : [expected]);
  });
});
