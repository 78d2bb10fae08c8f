/** The first part of a multipart/related answer (RFC 2046 5.1). Pure. */

function boundaryOf(contentType: string): string | undefined {
  if (!/^\s*multipart\/related\s*(;|$)/i.test(contentType)) return undefined;
  const [, quoted, token] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  return quoted ?? token;
}

/** A view of the first part's bytes; `undefined` where the body is not multipart/related or the part does not end. */
export function readFirstPart(contentType: string, body: Uint8Array): Uint8Array | undefined {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) return undefined;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = `--${boundary}`;
  const opened =
    bytes.subarray(0, delimiter.length).toString('latin1') === delimiter ? 0 : bytes.indexOf(`\r\n${delimiter}\r\n`, 0, 'latin1');
  if (opened === -1) return undefined;
  const headersEnd = bytes.indexOf('\r\n\r\n', opened + delimiter.length, 'latin1');
  if (headersEnd === -1) return undefined;
  const start = headersEnd + 4;
  const end = bytes.indexOf(`\r\n${delimiter}`, start, 'latin1');
  return end === -1 ? undefined : body.subarray(start, end);
}
