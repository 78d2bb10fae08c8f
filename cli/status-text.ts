/** The state of a site in a few lines. */
import type { SpoolStatus, Trouble } from '../local-uploader/status/spool-status.ts';
import { formatBytes, printable } from './table.ts';

/** Of each kind of trouble; the counts tell of the rest. */
const MOST_LISTED = 20;
/** Seconds; a disk that lasts longer is not filling. */
const YEAR = 365 * 86_400;

export function statusText(status: SpoolStatus): string {
  const { waiting, receiving, uploading, doneToday, failed, foreign, setAside, rate, disk } = status;
  const lines: (readonly [string, string])[] = [
    ['receiving', `${count(receiving.instances, 'instance')}, ${formatBytes(receiving.bytes)}`],
    ['waiting', waitingText(status)],
    ['uploading', `${studies(uploading.studies)}, ${count(uploading.instances, 'instance')}`],
    ['done today', `${studies(doneToday.studies)}, ${count(doneToday.instances, 'instance')}, ${formatBytes(doneToday.bytes)}`],
    ['failed', count(failed.length, 'file')],
    ['foreign', count(foreign.length, 'file')],
    ['set aside', `${count(setAside.damaged.length, 'damaged file')}, ${count(setAside.foreign.length, 'foreign file')}`],
    [
      'rate',
      `${rate.instancesPerMinute.toFixed(1)} instances a minute, ${formatBytes(Math.round(rate.bytesPerSecond))}/s (ten minutes)`,
    ],
    ['disk', diskText(disk)],
  ];
  if (waiting.oldest !== undefined)
    lines.splice(2, 0, [
      'oldest',
      `${duration((status.at.getTime() - waiting.oldest.getTime()) / 1000)} (${waiting.oldest.toISOString()})`,
    ]);
  const troubles = [
    ...listed('failed', failed),
    ...listed('foreign', foreign),
    ...listed(
      'set aside',
      [...setAside.damaged, ...setAside.foreign].map((path) => ({ path })),
    ),
  ];
  return `${[...lines.map(([name, text]) => `${name.padEnd(11)}${text}`), ...troubles].join('\n')}\n`;
}

function waitingText({ waiting, reasons }: SpoolStatus): string {
  const why = Object.entries(reasons).map(([code, files]) => `${code} ${files}`);
  return (
    `${waiting.studiesKnown ? '' : 'at least '}${studies(waiting.studies)}, ${count(waiting.instances, 'instance')}, ` +
    `${formatBytes(waiting.bytes)}${why.length === 0 ? '' : `; the last try: ${why.join(', ')}`}`
  );
}

function diskText({ freeBytes, totalBytes, freeFiles, totalFiles, fullInSeconds }: SpoolStatus['disk']): string {
  const files = totalFiles === 0 ? '' : `, ${percent(freeFiles, totalFiles)} of its inodes`;
  const full =
    fullInSeconds === undefined || fullInSeconds > YEAR
      ? 'not filling'
      : `full in ${duration(fullInSeconds)} at the present rate`;
  return `${formatBytes(freeBytes)} free, ${percent(freeBytes, totalBytes)} of it${files}; ${full}`;
}

function listed(kind: string, troubles: readonly Trouble[]): string[] {
  const lines = troubles
    .slice(0, MOST_LISTED)
    .map(({ path, code }) => `${kind} ${printable(path)}${code === undefined ? '' : `: ${code}`}`);
  return troubles.length > MOST_LISTED
    ? [...lines, `${kind} … and ${troubles.length - MOST_LISTED} more (--json has all)`]
    : lines;
}

function studies(number: number): string {
  return number === 1 ? '1 study' : `${number} studies`;
}

function count(number: number, unit: string): string {
  return `${number} ${unit}${number === 1 ? '' : 's'}`;
}

function percent(part: number, whole: number): string {
  return `${Math.floor((part / whole) * 100)} %`;
}

/** The two largest units: `3 d 4 h`. */
export function duration(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  let rest = Math.floor(seconds);
  const parts: string[] = [];
  for (const [unit, size] of units.slice(first, first + 2)) {
    const number = Math.floor(rest / size);
    rest -= number * size;
    if (number > 0) parts.push(`${number} ${unit}`);
  }
  return parts.join(' ');
}
