/**
 * What the rounds of one uploader found in a spool, so that a file that stays is not read again until it changes. It decides nothing that
 * a new process would not find again by reading.
 */
import { hash } from 'node:crypto';
import type { ErrorCode } from '../../core/errors.ts';
import { areUnchanged, type FolderListing, type ListedFile } from './list-files.ts';

/** Why a file is not read again. */
export interface Judgement {
  readonly outcome: 'kept' | 'foreign' | 'damaged';
  readonly code?: ErrorCode;
  /** It cannot be set aside. */
  readonly stays?: boolean;
}

/** Files remembered at most, some hundred bytes each; those beyond are read in every round. */
const MOST = 500_000;
/** Milliseconds: two changes of a folder within it may have one time, on the coarsest file system. */
const COARSE = 2000;
/** Milliseconds from which a folder is listed even if it looks as it did: a file that is written in place changes none. */
const FULL_LOOK = 10 * 60 * 1000;

/** Of a spool. */
export class HandledFiles {
  readonly #folders = new Map<string, HandledFolder>();
  readonly #room: { files: number };

  constructor(most: number = MOST) {
    this.#room = { files: most };
  }

  folder(path: string): HandledFolder {
    const folder = this.#folders.get(path) ?? new HandledFolder(this.#room);
    this.#folders.set(path, folder);
    return folder;
  }

  /** Those that are not named are forgotten. */
  keepOnly(paths: readonly string[]): void {
    const kept = new Set(paths);
    for (const [path, folder] of this.#folders) {
      if (kept.has(path)) continue;
      folder.keepOnly([]);
      this.#folders.delete(path);
    }
  }
}

interface QuietLook {
  readonly changed: FolderListing['changed'];
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** One folder with those below it. */
export class HandledFolder {
  readonly #room: { files: number };
  #judgements = new Map<string, Judgement>();
  #quiet: QuietLook | undefined;

  constructor(room: { files: number } = { files: MOST }) {
    this.#room = room;
  }

  judgementOf(file: ListedFile): Judgement | undefined {
    return this.#judgements.size === 0 ? undefined : this.#judgements.get(nameOf(file));
  }

  /** False where there is no room for it. */
  judge(file: ListedFile, judgement: Judgement): boolean {
    const name = nameOf(file);
    if (!this.#judgements.has(name)) {
      if (this.#room.files === 0) return false;
      this.#room.files -= 1;
    }
    this.#judgements.set(name, judgement);
    return true;
  }

  /** Files that are gone, or changed, are forgotten. */
  keepOnly(files: readonly ListedFile[]): void {
    if (this.#judgements.size === 0) return;
    const kept = new Map<string, Judgement>();
    for (const name of files.map(nameOf)) {
      const judgement = this.#judgements.get(name);
      if (judgement !== undefined) kept.set(name, judgement);
    }
    this.#room.files += this.#judgements.size - kept.size;
    this.#judgements = kept;
  }

  /** Nothing is left to do for what a listing of this time has; `undefined`: there is. */
  noteQuiet(listing: FolderListing | undefined, now: Date): void {
    this.#quiet = undefined;
    if (listing === undefined) return;
    const settled = BigInt(now.getTime() - COARSE) * 1_000_000n;
    if ([...listing.changed.values()].some((time) => time > settled)) return;
    this.#quiet = { changed: listing.changed, at: now.getTime() };
  }

  /** Whether nothing has come or gone since nothing was left to do. */
  async isQuiet(now: Date): Promise<boolean> {
    if (this.#quiet === undefined || Math.abs(now.getTime() - this.#quiet.at) >= FULL_LOOK) return false;
    return areUnchanged(this.#quiet.changed);
  }
}

/** The files of one run that stay: also those that are to be tried again in the next round. */
export class StayingFiles {
  readonly #handled: HandledFolder;
  readonly #left = new Set<string>();

  constructor(handled: HandledFolder) {
    this.#handled = handled;
  }

  judgementOf(file: ListedFile): Judgement | undefined {
    return this.#handled.judgementOf(file);
  }

  judge(file: ListedFile, judgement: Judgement): void {
    if (!this.#handled.judge(file, judgement)) this.leave(file);
  }

  /** Not looked at again in this round, unless it changes. */
  leave(file: ListedFile): void {
    this.#left.add(nameOf(file));
  }

  beginRound(): void {
    this.#left.clear();
  }

  isLeft(file: ListedFile): boolean {
    return this.#left.size > 0 && this.#left.has(nameOf(file));
  }
}

/** Two files, or two contents of one, have two names. A digest, which takes less room than what it is made of. */
export function nameOf({ path, identity: { device, inode, size, modified } }: ListedFile): string {
  return hash('sha256', `${device} ${inode} ${size} ${modified} ${path}`, 'base64');
}
