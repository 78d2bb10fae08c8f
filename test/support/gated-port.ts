/** A TCP port on loopback that refuses connections until it is opened; then it leads to a server, and notes the objects put there. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { freePort } from './free-port.ts';

export interface GatedPort {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** Paths of the objects below `incoming/` in the order in which they were first put. */
  readonly puts: readonly string[];
  open(): Promise<void>;
  /** Connections that are there end, too. */
  shut(): Promise<void>;
}

const PUT = /^PUT (\/\S*\/incoming\/\S+) HTTP/;

export async function gatedPort(target: string): Promise<GatedPort> {
  const { hostname, port: targetPort } = new URL(target);
  const port = await freePort();
  const puts: string[] = [];
  const sockets = new Set<Socket>();
  let server: Server | undefined;

  function lead(from: Socket): void {
    const to = connect(Number(targetPort), hostname);
    for (const [socket, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    from.on('data', (chunk: Buffer) => {
      const path = PUT.exec(chunk.toString('latin1', 0, 2048))?.[1]?.replace(/\?.*$/, '');
      if (path !== undefined && !puts.includes(path)) puts.push(path);
    });
    from.pipe(to);
    to.pipe(from);
  }

  return {
    endpoint: `http://127.0.0.1:${port}`,
    puts,
    open: async () => {
      server = createServer(lead).listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
    shut: async () => {
      for (const socket of sockets) socket.destroy();
      if (server === undefined) return;
      server.close();
      await once(server, 'close');
      server = undefined;
    },
  };
}
