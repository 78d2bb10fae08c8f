/** Extended attributes of files (@napi-rs/xattr): Node itself has none. Links are not followed. */
import type { getAttributeSync, setAttributeSync } from '@napi-rs/xattr';

export interface ExtendedAttributes {
  /** `undefined` where the file has no attribute of that name. */
  get(path: string, name: string): Uint8Array | undefined;
  /** Throws where the file system keeps none, or not for this user. */
  set(path: string, name: string, value: Uint8Array): void;
}

interface Library {
  readonly getAttributeSync: typeof getAttributeSync;
  readonly setAttributeSync: typeof setAttributeSync;
}

/** `undefined` on a system that the library has no binary for. */
export async function openExtendedAttributes(): Promise<ExtendedAttributes | undefined> {
  const library = await (import('@napi-rs/xattr') as Promise<Library>).catch(() => undefined);
  if (library === undefined) return undefined;
  return {
    get: (path, name) => library.getAttributeSync(path, name) ?? undefined,
    set: (path, name, value) => library.setAttributeSync(path, name, value),
  };
}
