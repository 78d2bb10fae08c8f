/**
 * Multipart bodies as dcm4chee reads them: CRLF strictly, preamble and epilogue ignored, the boundary matched as a prefix, one part
 * after the other, so that what breaks late has its earlier parts stored already. Nothing is held: a part of any size goes through.
 */
import { DelimitedStream } from './delimited-stream.ts';

export interface MultipartPart {
  readonly kind: 'part';
  /** Lower-case name → value. */
  readonly headers: ReadonlyMap<string, string>;
  /** Once, whole or not at all, before the next item is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Whether the part's end was seen; false until its body was read. One that has none is followed by `broken`. */
  whole(): boolean;
}

/** `detail`: what dcm4chee's 500 says, often nothing. */
export type MultipartItem = MultipartPart | { readonly kind: 'broken'; readonly detail: string };

const CRLF = Buffer.from('\r\n');
const CLOSE = Buffer.from('--');
const BLANK_LINE = Buffer.from('\r\n\r\n');
const MAX_HEADER_BYTES = 64 * 1024;

/** The parts in their order, and a last `broken` where the structure is. */
export async function* parseMultipart(stream: AsyncIterable<Uint8Array>, boundary: string): AsyncGenerator<MultipartItem, void> {
  const source = new DelimitedStream(stream, CRLF);
  const delimiter = Buffer.from(`\r\n--${boundary}`, 'latin1');
  let ending = (await passOver(source.chunksUntil(delimiter))) ? await source.read(2) : undefined;
  while (ending?.equals(CRLF) === true) {
    source.putBack(CRLF);
    const headers = await source.readUntil(BLANK_LINE, MAX_HEADER_BYTES);
    if (headers === undefined) break;
    let whole = false;
    const chunks = source.chunksUntil(delimiter);
    const body = (async function* () {
      whole = yield* chunks;
    })();
    yield { kind: 'part', headers: readHeaders(headers.toString('latin1')), body, whole: () => whole };
    await passOver(body);
    if (!whole) break;
    ending = await source.read(2);
  }
  if (ending === undefined || ending.equals(CRLF)) yield broken();
  else if (ending.equals(CLOSE)) await source.drain();
  else yield broken('missing CR/LF after boundary');
}

async function passOver<Returned>(chunks: AsyncGenerator<Uint8Array, Returned, void>): Promise<Returned> {
  for (;;) {
    const { done, value } = await chunks.next();
    if (done === true) return value;
  }
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
