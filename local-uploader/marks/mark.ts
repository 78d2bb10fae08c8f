/** What a file that stays is marked with, and what of a person's own marks is left as it is. */
import type { FileReport } from '../upload/upload-report.ts';

export interface Mark {
  readonly tag: 'uploaded' | 'failed';
  readonly comment: string;
}

/**
 * | outcome of a file that stays           | mark     |
 * |----------------------------------------|----------|
 * | in the bucket, and kept                | uploaded |
 * | damaged, or failed for good            | failed   |
 * | any other, and every file that goes    | none     |
 */
export function markOf({ outcome, after, code, retryable, key }: FileReport): Mark | undefined {
  if (after === 'kept') return { tag: 'uploaded', comment: `${OURS}uploaded${key === undefined ? '' : ` as ${key}`}` };
  if (after !== undefined || retryable === true || (outcome !== 'damaged' && outcome !== 'failed')) return undefined;
  return { tag: 'failed', comment: `${OURS}not uploaded: ${code ?? 'INTERNAL'}` };
}

const OURS = 'storestow: ';
const TAGS: readonly string[] = ['uploaded', 'failed'];

export interface Attribute {
  readonly name: string;
  /** The attribute with the mark; `undefined` where it is to stay as it is. */
  readonly marked: (present: Uint8Array | undefined, mark: Mark) => Uint8Array | undefined;
}

/** Which a comment of ours may take the place of; a person's own stays. */
export function isOurComment(comment: string): boolean {
  return comment === '' || comment.startsWith(OURS);
}

export function isOurTag(name: string): boolean {
  return TAGS.includes(name);
}
