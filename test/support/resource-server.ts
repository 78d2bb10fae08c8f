/**
 * What dcm4chee behind Keycloak is: a server before an archive that lets a request through only with an access token whose signature,
 * issuer and end it has checked. It answers 401 to any other before it reads a part.
 */
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

export interface ResourceServerOptions {
  /** STOW-RS address, which may be a template. */
  readonly archiveUrl: string;
  readonly issuer: string;
  readonly keysUrl: string;
}

export interface ResourceServer {
  /** The archive's address with this server's host and port. */
  readonly url: string;
  /** The different tokens that were good, by their `jti`. */
  readonly tokens: ReadonlySet<string>;
  /** Codes of the reasons of each 401. */
  readonly refused: readonly string[];
  close(): Promise<void>;
}

export async function startResourceServer({ archiveUrl, issuer, keysUrl }: ResourceServerOptions): Promise<ResourceServer> {
  const { origin } = new URL(archiveUrl);
  const keys = createRemoteJWKSet(new URL(keysUrl));
  const tokens = new Set<string>();
  const refused: string[] = [];

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    try {
      if (token === undefined) throw new errors.JWTInvalid('none');
      const { payload } = await jwtVerify(token, keys, { issuer });
      tokens.add(payload.jti ?? '');
    } catch (error) {
      refused.push(error instanceof errors.JOSEError ? error.code : 'UNKNOWN');
      response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end();
      request.resume();
      return;
    }
    const { method = 'GET', url = '/', headers } = request;
    const onward = httpRequest(`${origin}${url}`, { method, headers });
    const [[answer]] = (await Promise.all([once(onward, 'response'), pipeline(request, onward)])) as [[IncomingMessage], void];
    response.writeHead(answer.statusCode ?? 500, answer.headers);
    await pipeline(answer, response);
  }

  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: archiveUrl.replace(origin, `http://127.0.0.1:${String(port)}`),
    tokens,
    refused,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
