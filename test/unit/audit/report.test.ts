import { describe, expect, it } from 'vitest';
import type { AuditRow } from '../../../core/audit/query.ts';
import { csvCell, csvReport, REPORT_COLUMNS, reportEntry } from '../../../core/audit/report.ts';

const ROW: AuditRow = {
  key: 'incoming/north/CT1@10.0.0.5/1.2.3/1.2.3.1/1.2.3.1.1~0123456789ab.dcm',
  site: 'north',
  callingAET: 'CT1',
  callingIP: '10.0.0.5',
  studyInstanceUID: '1.2.3',
  seriesInstanceUID: '1.2.3.1',
  sopInstanceUID: '1.2.3.1.1',
  digest: '0123456789ab',
  size: 1234,
  received: new Date('2026-11-24T09:00:00Z'),
};
const RECORD = {
  status: { kind: 'quarantined', reason: 'MALFORMED' },
  institution: 'Klinik "Köln", Haus 2',
  pixelLength: 0,
  detail: { codec: 'NO_PIXEL_DATA', at: '2026-11-24T10:00:00.000Z' },
} as const;

describe('reportEntry', () => {
  it('is flat, and without what is absent', () => {
    expect(reportEntry({ ...ROW, record: RECORD })).toEqual({
      status: 'quarantined',
      reason: 'MALFORMED',
      institution: 'Klinik "Köln", Haus 2',
      site: 'north',
      callingAET: 'CT1',
      callingIP: '10.0.0.5',
      studyInstanceUID: '1.2.3',
      seriesInstanceUID: '1.2.3.1',
      sopInstanceUID: '1.2.3.1.1',
      size: 1234,
      pixelLength: 0,
      codec: 'NO_PIXEL_DATA',
      received: '2026-11-24T09:00:00.000Z',
      at: '2026-11-24T10:00:00.000Z',
      key: ROW.key,
    });
    expect(reportEntry(ROW)).toMatchObject({ status: 'pending' });
  });
});

describe('csvCell', () => {
  it.each([
    [undefined, ''],
    [12, '12'],
    ['plain', 'plain'],
    ['a,b', '"a,b"'],
    ['say "hi"', '"say ""hi"""'],
    ['two\r\nlines', '"two\r\nlines"'],
    ['=1+1', "'=1+1"],
    ['+49', "'+49"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\tx', "'\tx"],
    ['\r=1', '"\'\r=1"'],
    ['=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'],
  ])('%j → %j', (value, cell) => {
    expect(csvCell(value)).toBe(cell);
  });
});

describe('csvReport', () => {
  it('starts with a byte order mark and a header, and ends each line with CR LF', async () => {
    let csv = '';
    for await (const chunk of csvReport([{ ...ROW, record: RECORD }, ROW])) csv += chunk;
    expect(Buffer.from(csv, 'utf8').subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
    const lines = csv.slice(1).split('\r\n');
    expect(lines).toEqual([
      REPORT_COLUMNS.join(','),
      `quarantined,MALFORMED,"Klinik ""Köln"", Haus 2",north,CT1,10.0.0.5,1.2.3,1.2.3.1,1.2.3.1.1,1234,0,,,,,NO_PIXEL_DATA,,,,,2026-11-24T09:00:00.000Z,2026-11-24T10:00:00.000Z,${ROW.key}`,
      `pending,,,north,CT1,10.0.0.5,1.2.3,1.2.3.1,1.2.3.1.1,1234,,,,,,,,,,,2026-11-24T09:00:00.000Z,,${ROW.key}`,
      '',
    ]);
  });
});
