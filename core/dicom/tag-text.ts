/** Tags as people write them, and what a tag's number alone says. */
import type { Tag } from './data-set.ts';

const TAG_TEXT = /^\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?$/;

/** 0x00080018 → `(0008,0018)`, hexadecimal in upper case. */
export function formatTag(tag: Tag): string {
  const digits = tag.toString(16).toUpperCase().padStart(8, '0');
  return `(${digits.slice(0, 4)},${digits.slice(4)})`;
}

/** `(0008,0018)`, `0008,0018` or `00080018` → 0x00080018; undefined for any other text. */
export function parseTag(text: string): Tag | undefined {
  const match = TAG_TEXT.exec(text);
  return match === null ? undefined : Number.parseInt(`${match[1]}${match[2]}`, 16);
}

export function groupOf(tag: Tag): number {
  return tag >>> 16;
}

/** PS3.5 7.8.1: odd groups are private. */
export function isPrivate(tag: Tag): boolean {
  return (tag & 0x00010000) !== 0;
}

/** PS3.5 7.8.1: (gggg,0010-00FF) of an odd group reserves a block for the creator it names. */
export function isPrivateCreator(tag: Tag): boolean {
  const element = tag & 0xffff;
  return isPrivate(tag) && element >= 0x10 && element <= 0xff;
}

/** PS3.5 7.2: (gggg,0000) */
export function isGroupLength(tag: Tag): boolean {
  return (tag & 0xffff) === 0;
}
