/** Apple's property lists (plist): the institution mapping is one, launchd's jobs and Finder tags are others. */
import { build, buildBinary, parse, parseBinary } from 'plist';

export type PropertyListValue =
  string | number | boolean | readonly PropertyListValue[] | { readonly [key: string]: PropertyListValue };

/** Throws what the library throws where `xml` is no property list. */
export function parsePropertyList(xml: string): unknown {
  return parse(xml);
}

/** XML, as people and launchd read it. */
export function buildPropertyList(value: PropertyListValue): string {
  return `${build(value as Parameters<typeof build>[0])}\n`;
}

/** As the Finder writes them into extended attributes. */
export function buildBinaryPropertyList(value: PropertyListValue): Uint8Array {
  return buildBinary(value as Parameters<typeof buildBinary>[0]);
}

/** Throws what the library throws where `bytes` are none. */
export function parseBinaryPropertyList(bytes: Uint8Array): unknown {
  return parseBinary(bytes);
}
