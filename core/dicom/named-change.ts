/** The place and the reason of a change, without its value: what a difference of the bytes is held against. */
import type { Change, ItemPath } from './change.ts';
import type { Tag } from './data-set.ts';

export interface NamedChange {
  readonly kind: Change['kind'];
  readonly path: ItemPath;
  readonly tag: Tag;
  readonly reason: string;
}

export function nameChange(change: Change): NamedChange {
  const { kind, path, reason } = change;
  return { kind, path, tag: change.kind === 'set' ? change.element.tag : change.tag, reason };
}
