/** What tells one content of a path from another without reading it: inode, size and time of the last write. */
import type { BigIntStats } from 'node:fs';

export interface FileIdentity {
  readonly device: bigint;
  readonly inode: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Nanoseconds since 1970. */
  readonly modified: bigint;
}

export function identityOf({ dev, ino, size, mtimeNs }: BigIntStats): FileIdentity {
  return { device: dev, inode: ino, size, modified: mtimeNs };
}

export function sameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.device === b.device && a.inode === b.inode && a.size === b.size && a.modified === b.modified;
}

export function modifiedAt({ modified }: FileIdentity): Date {
  return new Date(Number(modified / 1_000_000n));
}
