import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLog } from '../../../core/logging.ts';
import { relayLine } from '../../../local-cloud/relay-line.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('relayLine', () => {
  const table: [string, [string, unknown, string] | undefined][] = [
    [
      '{"level":30,"time":"t","name":"ingest","pid":7,"study":"1.2","msg":"stowed"}',
      ['info', { childPid: 7, study: '1.2' }, 'stowed'],
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

  it('has each name once in the line that it becomes, and says who wrote it first', async () => {
    const folder = await temporaryFolder('relay');
    onTestFinished(() => folder.remove());
    const [first, second] = [join(folder.path, 'first'), join(folder.path, 'second')];
    createLog({ name: 'ingest', to: first }).info({ study: '1.2' }, 'stowed');
    const line = (await readFile(first, 'utf8')).replace(`"pid":${process.pid}`, '"pid":7');
    relayLine(createLog({ name: 'up', to: second }), line.trim(), 'the function');
    const relayed = await readFile(second, 'utf8');
    const names = [...relayed.matchAll(/"(\w+)":/g)].map(([, name]) => name);
    expect(names.toSorted()).toEqual(['childPid', 'level', 'msg', 'name', 'pid', 'study', 'time']);
    expect(JSON.parse(relayed)).toMatchObject({ name: 'up', pid: process.pid, childPid: 7, study: '1.2' });
  });
});
