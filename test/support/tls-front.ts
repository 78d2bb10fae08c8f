/** TLS before a plain server on loopback, as a proxy in front of an archive does it. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { IssuedCertificate } from './certificates.ts';

export interface TlsFrontOptions {
  /** Of the plain server. */
  readonly port: number;
  readonly certificate: IssuedCertificate;
  /** Path of the authority whose client certificates it demands; absent: none. */
  readonly clientAuthority?: string;
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
}

export interface TlsFront {
  readonly port: number;
  /** Common names of the client certificates that it let in; empty for a client without one. */
  readonly clients: readonly string[];
  /** Ends the connections that there are. */
  disconnect(): void;
  close(): Promise<void>;
}

export async function startTlsFront(options: TlsFrontOptions): Promise<TlsFront> {
  const { certificate, clientAuthority, maxVersion = 'TLSv1.3' } = options;
  const clients: string[] = [];
  const open = new Set<TLSSocket>();
  const server = createServer(
    {
      cert: await readFile(certificate.cert),
      key: await readFile(certificate.key),
      maxVersion,
      ...(clientAuthority === undefined
        ? {}
        : { ca: await readFile(clientAuthority), requestCert: true, rejectUnauthorized: true }),
    },
    (socket) => {
      // Without a certificate there is an empty object.
      const { subject } = socket.getPeerCertificate() as Partial<ReturnType<TLSSocket['getPeerCertificate']>>;
      clients.push(String(subject?.CN ?? ''));
      open.add(socket);
      const onward = connect(options.port, '127.0.0.1');
      socket.on('close', () => {
        open.delete(socket);
        onward.destroy();
      });
      onward.on('close', () => socket.destroy());
      for (const side of [socket, onward]) side.on('error', () => undefined);
      socket.pipe(onward).pipe(socket);
    },
  );
  const disconnect = (): void => {
    for (const socket of open) socket.destroy();
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    clients,
    disconnect,
    async close() {
      const closed = once(server, 'close');
      server.close();
      disconnect();
      await closed;
    },
  };
}
