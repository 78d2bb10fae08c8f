/**
 * A proxy before an archive that notes each STOW-RS request: which instances it brought, when, and what was answered. From it a
 * test proves that nothing is sent twice at the same time, and nothing again that is stored.
 */
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface RecordedStore {
  readonly sopInstanceUIDs: readonly string[];
  /** Order of events over all requests: a whole request came; its answer came, if one did. */
  readonly began: number;
  ended?: number;
  /** Absent while under way, and where the archive gave no answer. */
  status?: number;
  /** Of the answer's ReferencedSOPSequence. */
  stored: readonly string[];
  /** The client was given the answer. */
  answered: boolean;
}

export interface RecordingProxy {
  /** The archive's address with the proxy's host and port. */
  readonly url: string;
  readonly stores: readonly RecordedStore[];
  /** STOW-RS requests that were turned away or got no answer. */
  readonly refused: number;
  /** Milliseconds that the answer to a STOW-RS request is held back: the archive has the instances, and the client does not know. */
  latency: number;
  /** False: every connection is dropped, as by a machine that is down. */
  reachable: boolean;
  /** The archive has these, whatever was answered: none of them may come again. */
  noteStored(sopInstanceUIDs: readonly string[]): void;
  /** Whether the client knows of some that are stored, and does not know of others. */
  inTheMiddle(): boolean;
  /** SOP Instance UIDs that came while stored, or while under way in another request. */
  sentAgain(): readonly string[];
  close(): Promise<void>;
}

/** `archiveUrl`: STOW-RS address, which may be a template. */
export async function startRecordingProxy(archiveUrl: string): Promise<RecordingProxy> {
  const { origin } = new URL(archiveUrl);
  const stores: RecordedStore[] = [];
  const storedAt = new Map<string, number>();
  let clock = 0;
  let refused = 0;

  const noteStored = (uids: readonly string[]): void => {
    clock += 1;
    for (const uid of uids) if (!storedAt.has(uid)) storedAt.set(uid, clock);
  };

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const isStore = request.method === 'POST' && body.length > 0;
    let record: RecordedStore | undefined;
    if (isStore) {
      record = { sopInstanceUIDs: instancesOf(body), began: ++clock, stored: [], answered: false };
      stores.push(record);
    }
    const answer = await forward(origin, request, body).catch(() => undefined);
    if (record !== undefined) {
      record.ended = ++clock;
      if (answer !== undefined) {
        record.status = answer.status;
        record.stored = storedIn(answer.body);
        noteStored(record.stored);
      }
      await delay(proxy.latency);
    }
    if (answer === undefined || !proxy.reachable || response.destroyed) return drop(response, isStore);
    if (record !== undefined) record.answered = true;
    response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  function drop(response: ServerResponse, isStore: boolean): void {
    if (isStore) refused += 1;
    response.destroy();
  }

  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    pass(request, response).catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    if (!proxy.reachable) socket.destroy();
  });
  const proxy: RecordingProxy = {
    get url() {
      const { port } = server.address() as AddressInfo;
      return archiveUrl.replace(origin, `http://127.0.0.1:${port}`);
    },
    stores,
    get refused() {
      return refused;
    },
    latency: 0,
    reachable: true,
    noteStored,
    inTheMiddle: () => {
      const withInstances = stores.filter(({ stored }) => stored.length > 0);
      return withInstances.some(({ answered }) => answered) && withInstances.some(({ answered }) => !answered);
    },
    sentAgain: () =>
      stores.flatMap((store) =>
        store.sopInstanceUIDs.filter(
          (uid) =>
            (storedAt.get(uid) ?? Infinity) < store.began ||
            stores.some((other) => other !== store && other.sopInstanceUIDs.includes(uid) && overlap(other, store)),
        ),
      ),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return proxy;
}

function overlap(one: RecordedStore, other: RecordedStore): boolean {
  return one.began < (other.ended ?? Infinity) && other.began < (one.ended ?? Infinity);
}

interface ForwardedAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

async function forward(
  origin: string,
  { method = 'GET', url = '/', headers }: IncomingMessage,
  body: Buffer,
): Promise<ForwardedAnswer> {
  const target = httpRequest(new URL(url, origin), {
    method,
    agent: false,
    headers: { ...without(headers, ['expect', 'transfer-encoding']), host: new URL(origin).host, 'content-length': body.length },
  });
  target.end(body);
  const [answer] = (await once(target, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return {
    status: answer.statusCode ?? 0,
    headers: without(answer.headers, ['transfer-encoding', 'connection']),
    body: Buffer.concat(chunks),
  };
}

/** Of one connection only, or untrue once the body is whole. */
function without(headers: IncomingMessage['headers'], names: readonly string[]): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));
}

/** MediaStorageSOPInstanceUID (0002,0003) of each part. */
function instancesOf(body: Buffer): string[] {
  const header = Buffer.from([0x02, 0x00, 0x03, 0x00, 0x55, 0x49]);
  const uids: string[] = [];
  for (let part = body.indexOf('DICM'); part >= 0; part = body.indexOf('DICM', part + 4)) {
    const at = body.indexOf(header, part);
    if (at < 0 || at > part + 300) continue;
    const length = body.readUInt16LE(at + 6);
    uids.push(body.toString('latin1', at + 8, at + 8 + length).replace(/\0$/, ''));
  }
  return uids;
}

/** PS3.18 10.5.3: ReferencedSOPSequence (0008,1199) of the answer as DICOM JSON. */
function storedIn(body: Buffer): readonly string[] {
  try {
    const answer = JSON.parse(body.toString()) as Record<
      string,
      { Value?: readonly Record<string, { Value?: readonly string[] }>[] }
    >;
    return (answer['00081199']?.Value ?? []).flatMap((item) => item['00081155']?.Value ?? []);
  } catch {
    return [];
  }
}
