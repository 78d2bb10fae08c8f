/** Marks as the Finder keeps them: binary property lists in extended attributes. */
import { buildBinaryPropertyList, parseBinaryPropertyList } from '../../core/property-list.ts';
import { isOurComment, isOurTag, type Attribute, type Mark } from './mark.ts';

export const FINDER: readonly Attribute[] = [
  { name: 'com.apple.metadata:_kMDItemUserTags', marked: withTag },
  { name: 'com.apple.metadata:kMDItemFinderComment', marked: withComment },
];

/** Of the Finder: green, red. */
const COLOURS = { uploaded: 2, failed: 6 } as const;

function withTag(present: Uint8Array | undefined, { tag }: Mark): Uint8Array {
  const list = valueOf(present);
  const others = Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
  const kept = others.filter((one) => !isOurTag(one.replace(/\n\d$/, '')));
  return buildBinaryPropertyList([...kept, `${tag}\n${COLOURS[tag]}`]);
}

function withComment(present: Uint8Array | undefined, { comment }: Mark): Uint8Array | undefined {
  const text = valueOf(present);
  return present === undefined || (typeof text === 'string' && isOurComment(text)) ? buildBinaryPropertyList(comment) : undefined;
}

/** `undefined` for what is no property list. */
function valueOf(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes === undefined ? undefined : parseBinaryPropertyList(bytes);
  } catch {
    return undefined;
  }
}
