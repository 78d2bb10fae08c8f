/** zlib, loaded when a deflated file is met: with it come the streams, and every start would wait for them. */
import type Zlib from 'node:zlib';

export function zlib(): typeof Zlib {
  return process.getBuiltinModule('node:zlib');
}
