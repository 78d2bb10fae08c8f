/** One connection to see how a TLS server and a client get on: what it shows, and whether it talks to a client with this certificate. */
import { isIP } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { StorestowError } from '../errors.ts';
import { explainConnection } from './connection-failure.ts';
import type { TlsMaterial } from './tls-files.ts';

/** Seconds. */
const TIMEOUT = 10;

export interface TlsServer {
  /** `TLSv1.3`. */
  readonly protocol: string;
  /** Of its certificate, which is trusted. */
  readonly validTo: Date;
}

/**
 * Resolves at the first byte of an answer, whatever it says: by TLS 1.3 a server judges the client's certificate only after the
 * handshake. Throws `TLS_UNTRUSTED`, `TLS_REFUSED` and `ARCHIVE_UNAVAILABLE`.
 */
export async function probeTls(origin: string, tls: TlsMaterial): Promise<TlsServer> {
  const { hostname, port, host } = new URL(origin);
  const name = hostname.replace(/^\[|\]$/g, '');
  const options: ConnectionOptions = {
    ...tls,
    host: name,
    port: port === '' ? 443 : Number(port),
    ...(isIP(name) === 0 ? { servername: name } : {}),
  };
  const { promise, resolve, reject } = Promise.withResolvers<TlsServer>();
  const fail = (advice: string, code: 'TLS_REFUSED' | 'ARCHIVE_UNAVAILABLE' = 'ARCHIVE_UNAVAILABLE', cause?: unknown): void =>
    reject(new StorestowError(code, `no connection to ${origin}: ${advice}`, { object: origin, cause }));
  let server: TlsServer | undefined;
  const socket = connect(options, () => {
    server = { protocol: socket.getProtocol() ?? 'TLS', validTo: new Date(socket.getPeerCertificate().valid_to) };
    socket.write(`HEAD / HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: storestow\r\nConnection: close\r\n\r\n`);
  });
  socket.setTimeout(TIMEOUT * 1000, () => fail('it does not answer; check that it runs, and the firewalls on the way'));
  socket.on('data', () => {
    if (server !== undefined) resolve(server);
  });
  socket.on('error', (cause) => {
    const explained = explainConnection(cause, origin);
    if (explained !== undefined) reject(explained);
    else if (server === undefined) fail('it breaks off; check that it runs, and the port', 'ARCHIVE_UNAVAILABLE', cause);
  });
  socket.on('close', () =>
    fail(
      'it hangs up on this client without a word: it wants a client certificate, or another one (archive.tls.cert)',
      'TLS_REFUSED',
    ),
  );
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
