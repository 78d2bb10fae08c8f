/** A proxy that takes no request body longer than its limit: by a 413 as nginx does it, or by dropping the connection as WildFly does. */
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LimitingProxy {
  readonly origin: string;
  /** Bytes of the bodies that were turned away; of heads alone (`Expect: 100-continue`) too. */
  readonly turnedAway: readonly number[];
  close(): Promise<void>;
}

export async function startLimitingProxy(upstream: string, limit: number, manner: 413 | 'drop'): Promise<LimitingProxy> {
  const { hostname, port } = new URL(upstream);
  const turnedAway: number[] = [];
  const server = createServer((request, response) => {
    const length = Number(request.headers['content-length'] ?? 0);
    if (length > limit) {
      turnedAway.push(length);
      if (manner === 'drop') request.socket.destroy();
      else response.writeHead(413, { connection: 'close' }).end();
      return;
    }
    const { method, url, headers } = request;
    const forwarded = httpRequest({ hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    forwarded.on('error', () => response.destroy());
    request.pipe(forwarded);
  });
  server.on('checkContinue', (request, response) => {
    const length = Number(request.headers['content-length'] ?? 0);
    if (length <= limit) return void response.writeContinue();
    turnedAway.push(length);
    response.writeHead(manner === 'drop' ? 400 : 413, { connection: 'close' }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    turnedAway,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
