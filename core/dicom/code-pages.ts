/**
 * The tables of the code pages, by their names in iconv-lite. Loaded when text that is more than ASCII is first met, for the library
 * takes longer to load than everything else of core/dicom.
 */
import { createRequire } from 'node:module';
import type Iconv from 'iconv-lite';

let library: typeof Iconv | undefined;

function iconv(): typeof Iconv {
  return (library ??= createRequire(import.meta.url)('iconv-lite') as typeof Iconv);
}

/** Bytes that stand for no character become U+FFFD. */
export function decodeCodePage(bytes: Buffer, encoding: string): string {
  return iconv().decode(bytes, encoding);
}

/** A character that the code page lacks becomes `?`. */
export function encodeCodePage(text: string, encoding: string): Buffer {
  return iconv().encode(text, encoding);
}
