/**
 * The points between the uploader's steps, in their order. Faults are put there by tests: a process that dies at any of them loses
 * nothing.
 */
export type UploadStep =
  /** Word is left with whoever has the folder. */
  | 'wordLeft'
  | 'locked'
  /** The word is taken: the round that it asked for is this one. */
  | 'wordTaken'
  | 'listed'
  /** The file is read to its end. */
  | 'read'
  /** It is not to be uploaded, and lies in `set-aside/`. */
  | 'setAside'
  /** The bucket took it, or had it. */
  | 'put'
  /** The bucket says that it holds these bytes. */
  | 'verified'
  /** A manifest that names it is in the bucket. */
  | 'named'
  /** The file has a name that no writer knows. */
  | 'claimed'
  /** The folder that it moves to is there. */
  | 'targetMade'
  /** On another file system: all of it is there, under a name of its own. */
  | 'copied'
  /** It has its name where it moves to. */
  | 'placed'
  /** That name, and what it names, are on the disk. */
  | 'placedForGood'
  /** It is gone from the spool. */
  | 'removed'
  /** Its removal is on the disk. */
  | 'removedForGood'
  | 'foldersRemoved'
  /** No word is left. */
  | 'quiet'
  /** The lock's file has no name any more, and is still locked. */
  | 'unnamed'
  | 'released';

/** Awaited at each step; `path` is the file's, or the folder's where the step is the folder's. */
export type ReachStep = (step: UploadStep, path: string) => void | Promise<void>;

/** Without faults. */
export const passStep: ReachStep = () => undefined;
