/** The status of a spool that is stated whole, for tests of what is told of it. */
import type { Disk } from '../../local-uploader/status/decide-disk.ts';
import {
  SpoolCount,
  type NotedFile,
  type SpoolFile,
  type SpoolNotes,
  type SpoolStatus,
} from '../../local-uploader/status/spool-status.ts';

export interface SpoolFacts extends SpoolNotes {
  readonly files: readonly SpoolFile[];
  readonly others: readonly string[];
  readonly noted: ReadonlyMap<string, NotedFile>;
  readonly sending: ReadonlyMap<string, string>;
  readonly disk: Disk;
  readonly now: Date;
}

export function spoolStatus({ files, others, noted, sending, disk, now, ...notes }: SpoolFacts): SpoolStatus {
  const count = new SpoolCount({ now });
  for (const file of files) count.add(file, noted.get(file.path), sending.get(file.path));
  for (const path of others) count.addOther(path);
  return count.status(notes, disk);
}
