/**
 * Multipart bodies as dcm4chee reads them: CRLF strictly, preamble and epilogue ignored, the boundary matched as a prefix, one part
 * after the other, so that what breaks late has its earlier parts stored already.
 */
import { ByteSource } from './byte-source.ts';

export interface MultipartPart {
  readonly kind: 'part';
  /** Lower-case name → value. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** `detail`: what dcm4chee's 500 says, often nothing. */
export type MultipartItem = MultipartPart | { readonly kind: 'broken'; readonly detail: string };

const CRLF = Buffer.from('\r\n');
const CLOSE = Buffer.from('--');
const BLANK_LINE = Buffer.from('\r\n\r\n');
const MAX_HEADER_BYTES = 64 * 1024;

/** The parts, and a last `broken` where the structure is. A part comes when its end was seen, whole in memory. */
export async function* parseMultipart(stream: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<MultipartItem, void> {
  const source = new ByteSource(stream, CRLF);
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  let ending = (await source.readUntil(delimiter)) === undefined ? undefined : await source.read(2);
  while (ending?.equals(CRLF) === true) {
    source.putBack(CRLF);
    const headers = await source.readUntil(BLANK_LINE, MAX_HEADER_BYTES);
    const body = headers === undefined ? undefined : await source.readUntil(delimiter);
    if (headers === undefined || body === undefined) break;
    yield { kind: 'part', headers: readHeaders(headers.toString('latin1')), body: new Uint8Array(body) };
    ending = await source.read(2);
  }
  if (ending === undefined || ending.equals(CRLF)) yield broken();
  else if (ending.equals(CLOSE)) await source.drain();
  else yield broken('missing CR/LF after boundary');
}

function broken(detail = ''): MultipartItem {
  return { kind: 'broken', detail };
}

function readHeaders(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 1 ? [] : [[line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()] as const];
    }),
  );
}
