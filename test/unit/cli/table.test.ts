import { describe, expect, it } from 'vitest';
import { formatBytes, printable, renderTable } from '../../../cli/table.ts';

describe('bytes for people', () => {
  it.each([
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [1049, '1.0 kB'],
    [1050, '1.1 kB'],
    [999_949, '999.9 kB'],
    [999_950, '1.0 MB'],
    [1_000_000, '1.0 MB'],
    [524_288_000, '524.3 MB'],
    [3_200_000_000, '3.2 GB'],
    [7_000_000_000_000, '7.0 TB'],
    [7_000_000_000_000_000, '7000.0 TB'],
  ])('%i is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('text from the network', () => {
  it.each([
    ['an escape sequence', 'A\u001b[2JB', 'A\ufffd[2JB'],
    ['line ends', 'A\r\nB', 'A\ufffd\ufffdB'],
    ['a C1 control', 'A\u009bB', 'A\ufffdB'],
    ['a change of writing direction', 'A\u202eB\u2066', 'A\ufffdB\ufffd'],
    ['a line separator', 'A\u2028B', 'A\ufffdB'],
  ])('%s is made visible', (_, text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it.each(['Hôpital Général = "A"', '日本語', 'مستشفى', 'плюс'])('%s stays', (text) => {
    expect(printable(text)).toBe(text);
  });
});

describe('a table', () => {
  const COLUMNS = [{ title: 'name' }, { title: 'size', align: 'right' }] as const;

  it('has a line for each row, aligned', () => {
    const lines = renderTable(COLUMNS, [
      ['a', '1 B'],
      ['bcdef', '1.0 kB'],
    ]).split('\n');
    expect(lines.slice(1, -1)).toEqual(['│ name  │   size │', '│ a     │    1 B │', '│ bcdef │ 1.0 kB │']);
  });

  it('keeps a hostile cell within its row', () => {
    const table = renderTable(COLUMNS, [['x\n\u001b[1A\u001b[2Kstowed', '']]);
    expect(table.split('\n')).toHaveLength(4);
    expect(table).not.toContain('\u001b');
  });
});
