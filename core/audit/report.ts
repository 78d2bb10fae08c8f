/** Audit rows for people and programs: plain objects for JSON, and CSV that a spreadsheet opens as it is. */
import { reasonOf, type AuditRow } from './query.ts';
import type { Status } from './record.ts';

/** Flat, of JSON values; the names are the CSV's columns. Absent values are left out. Times are ISO 8601, UTC. */
export interface ReportEntry {
  readonly status: Status['kind'] | 'pending';
  readonly reason?: string;
  readonly institution?: string;
  readonly site: string;
  readonly callingAET: string;
  readonly callingIP: string;
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
  /** Bytes of the original. */
  readonly size: number;
  /** Bytes of the original Pixel Data value. */
  readonly pixelLength?: number;
  readonly pixelMd5?: string;
  readonly sentMd5?: string;
  readonly syntaxReceived?: string;
  readonly syntaxSent?: string;
  readonly codec?: string;
  readonly rules?: string;
  readonly proof?: string;
  readonly archivedMd5?: string;
  /** The archive's WarningReason or FailureReason, in hexadecimal. */
  readonly archiveReason?: string;
  readonly received: string;
  /** Of the outcome. */
  readonly at?: string;
  readonly key: string;
}

export const REPORT_COLUMNS = [
  'status', 'reason', 'institution', 'site', 'callingAET', 'callingIP', 'studyInstanceUID', 'seriesInstanceUID',
  'sopInstanceUID', 'size', 'pixelLength', 'pixelMd5', 'sentMd5', 'syntaxReceived', 'syntaxSent', 'codec', 'rules', 'proof',
  'archivedMd5', 'archiveReason', 'received', 'at', 'key',
] as const satisfies readonly (keyof ReportEntry)[]; // prettier-ignore

/** Whose the instance is, and which. */
export function originOf({
  site,
  callingAET,
  callingIP,
  studyInstanceUID,
  seriesInstanceUID,
  sopInstanceUID,
}: AuditRow): Pick<
  ReportEntry,
  'site' | 'callingAET' | 'callingIP' | 'studyInstanceUID' | 'seriesInstanceUID' | 'sopInstanceUID'
> {
  return { site, callingAET, callingIP, studyInstanceUID, seriesInstanceUID, sopInstanceUID };
}

/** What the tags keep of its bytes. */
export function digestsOf({ record }: AuditRow): Pick<ReportEntry, 'pixelLength' | 'pixelMd5' | 'sentMd5'> {
  return {
    ...(record?.pixelLength === undefined ? {} : { pixelLength: record.pixelLength }),
    ...(record?.pixelMd5 === undefined ? {} : { pixelMd5: record.pixelMd5 }),
    ...(record?.sentMd5 === undefined ? {} : { sentMd5: record.sentMd5 }),
  };
}

export function reportEntry(row: AuditRow): ReportEntry {
  const { record } = row;
  const reason = record === undefined ? undefined : reasonOf(record.status);
  return {
    status: record?.status.kind ?? 'pending',
    ...(reason === undefined ? {} : { reason }),
    ...(record?.institution === undefined ? {} : { institution: record.institution }),
    ...originOf(row),
    size: row.size,
    ...digestsOf(row),
    ...record?.detail,
    received: row.received.toISOString(),
    key: row.key,
  };
}

/** A byte order mark, without which a spreadsheet reads another character set. */
export const CSV_START = '\uFEFF';
export const LINE_END = '\r\n';

/**
 * RFC 4180, in UTF-8 with a byte order mark. Chunks of whole lines; the header is the first. A cell that a spreadsheet would
 * take for a formula gets an apostrophe in front.
 */
export async function* csvReport(rows: AsyncIterable<AuditRow> | Iterable<AuditRow>): AsyncGenerator<string> {
  yield CSV_START + REPORT_COLUMNS.join(',') + LINE_END;
  for await (const row of rows) {
    const entry = reportEntry(row);
    yield REPORT_COLUMNS.map((column) => csvCell(entry[column])).join(',') + LINE_END;
  }
}

export function csvCell(value: string | number | undefined): string {
  if (value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
