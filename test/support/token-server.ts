/** A token server (RFC 6749) that answers what a test tells it to, and keeps what it was asked. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TokenAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, or as it is. */
  readonly body: object | string;
}

export interface TokenServer {
  readonly port: number;
  readonly tokenUrl: string;
  readonly requests: readonly { readonly headers: IncomingHttpHeaders; readonly body: string }[];
  /** What it answers from now on; undefined: it hangs up. */
  answer: TokenAnswer | 'never' | undefined;
  close(): Promise<void>;
}

export async function startTokenServer(answer: TokenAnswer): Promise<TokenServer> {
  const requests: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      requests.push({ headers: request.headers, body });
      if (started.answer === undefined) {
        response.destroy();
        return;
      }
      if (started.answer === 'never') return;
      const { status = 200, headers = {}, body: answered } = started.answer;
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof answered === 'string' ? answered : JSON.stringify(answered));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const started: TokenServer = {
    port,
    tokenUrl: `http://127.0.0.1:${String(port)}/token?x=1`,
    requests,
    answer,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return started;
}
