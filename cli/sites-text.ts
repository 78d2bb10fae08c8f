/** All sites of a bucket by their heartbeats, as a table. */
import type { SeenHeartbeat } from '../core/audit/heartbeat.ts';
import { clockAhead, type SiteJudgement } from '../core/audit/judge-site.ts';
import { StorestowError } from '../core/errors.ts';
import { duration } from './status-text.ts';
import { formatBytes, renderTable, type Column } from './table.ts';

export interface JudgedSite extends SeenHeartbeat {
  readonly judgement: SiteJudgement;
}

const COLUMNS: readonly Column[] = [
  { title: 'site' },
  { title: 'is' },
  { title: 'last seen' },
  { title: 'waiting' },
  { title: 'oldest' },
  { title: 'failed', align: 'right' },
  { title: 'set aside', align: 'right' },
  { title: 'disk' },
  { title: 'last error' },
  { title: 'version' },
];

export function sitesText(sites: readonly JudgedSite[]): string {
  if (sites.length === 0) return 'no site has written a heartbeat to this bucket\n';
  return `${renderTable(COLUMNS, sites.map(rowOf))}\n`;
}

function rowOf(judged: JudgedSite): string[] {
  const { key, ageInSeconds, judgement, heartbeat } = judged;
  const seen = `${duration(ageInSeconds)} ago${clockText(clockAhead(judged))}`;
  if (heartbeat instanceof StorestowError) return [key, judgement, seen, '', '', '', '', '', heartbeat.code, ''];
  const { site, at, backlog, failed, setAside, disk, lastError, storestow } = heartbeat;
  const full = disk.fullInSeconds === undefined ? '' : `, full in ${duration(disk.fullInSeconds)}`;
  return [
    site,
    judgement,
    seen,
    `${backlog.instances}, ${formatBytes(backlog.bytes)}`,
    backlog.oldest === undefined ? '' : duration(Math.max(0, (Date.parse(at) - Date.parse(backlog.oldest)) / 1000)),
    String(failed),
    String(setAside.foreign + setAside.damaged),
    `${formatBytes(disk.freeBytes)} free${full}`,
    lastError?.code ?? '',
    storestow,
  ];
}

function clockText(ahead: number | undefined): string {
  if (ahead === undefined) return '';
  return `, its clock ${duration(Math.abs(ahead))} ${ahead > 0 ? 'ahead' : 'behind'}`;
}
