/** The part of a multipart/related answer (RFC 2046 5.1) that has one. Pure. */

function boundaryOf(contentType: string): string | undefined {
  if (!/^\s*multipart\/related\s*(;|$)/i.test(contentType)) return undefined;
  const [, quoted, token] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  return quoted ?? token;
}

/**
 * Where the part of an answer lies that has a single one and is not in memory, told from its first and its last bytes; `length` is
 * that of the whole. `undefined` where the answer is not multipart/related or the part does not end.
 */
export function placeOfPart(
  contentType: string,
  { head, tail, length }: { readonly head: Uint8Array; readonly tail: Uint8Array; readonly length: number },
): { readonly start: number; readonly end: number } | undefined {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) return undefined;
  const start = startOfFirstPart(boundary, bufferOf(head));
  const closing = bufferOf(tail).lastIndexOf(`\r\n--${boundary}--`, undefined, 'latin1');
  if (start === undefined || closing === -1) return undefined;
  const end = length - tail.length + closing;
  return end < start ? undefined : { start, end };
}

function startOfFirstPart(boundary: string, bytes: Buffer): number | undefined {
  const delimiter = `--${boundary}`;
  const opened =
    bytes.subarray(0, delimiter.length).toString('latin1') === delimiter ? 0 : bytes.indexOf(`\r\n${delimiter}\r\n`, 0, 'latin1');
  if (opened === -1) return undefined;
  const headersEnd = bytes.indexOf('\r\n\r\n', opened + delimiter.length, 'latin1');
  return headersEnd === -1 ? undefined : headersEnd + 4;
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
