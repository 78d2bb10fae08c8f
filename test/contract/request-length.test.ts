/** What `storestow doctor` says of the length of requests, to the embedded archive with a limit and to servers that are bare sockets. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkRequestLength } from '../../cli/check-request-length.ts';
import { configSchema, type Config } from '../../core/config/schema.ts';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const WILDFLY = 10_485_760;

function configOf(url: string, changes: object = {}): Config {
  return configSchema.parse({ archive: { url, timeout: 0.3, ...changes } });
}

describe('to the embedded archive', () => {
  let folder: TemporaryFolder;
  let archive: EmbeddedArchive;
  beforeAll(async () => {
    folder = await temporaryFolder('length');
  });
  beforeEach(async () => {
    archive = await startEmbeddedArchive({ folder: folder.path });
  });
  afterEach(async () => archive.close());
  afterAll(async () => folder.remove());

  it('without a limit is content', async () => {
    expect(await checkRequestLength(configOf(archive.url))).toBe('the archive takes requests of 1073741824 bytes');
  });

  it.each(['drop', 413] as const)(
    "with WildFly's own limit (%s) names the setting, and the line that sets it",
    async (manner) => {
      archive.faults.limitBodies(WILDFLY, manner);
      await expect(checkRequestLength(configOf(archive.url))).rejects.toMatchObject({
        code: 'ARCHIVE_SIZE_LIMIT',
        message: expect.stringMatching(
          /archive\.maxBytes \(20000000 bytes\).*http-listener=default:write-attribute\(name=max-post-size,value=\d+\)/,
        ) as string,
      });
    },
  );

  it('with a limit that archive.maxBytes keeps within says what becomes of larger instances', async () => {
    archive.faults.limitBodies(WILDFLY, 'drop');
    const said = await checkRequestLength(configOf(archive.url, { maxBytes: 8_000_000 }));
    expect(said).toMatch(/takes archive\.maxBytes \(8000000 bytes\), but no 1073741824: .*ARCHIVE_SIZE_LIMIT.*max-post-size/);
  });

  it('stores nothing', async () => {
    archive.faults.limitBodies(100_000_000, 'drop');
    await checkRequestLength(configOf(archive.url));
    const requests = archive.faults.of('stow');
    expect(requests.map(({ contentLength }) => contentLength)).toEqual([2 ** 30, 1024, 2 ** 30, 20_000_000]);
    expect(requests.every(({ expectsContinue, sopInstanceUIDs }) => expectsContinue && sopInstanceUIDs.length === 0)).toBe(true);
    const listed = await fetch(`${archive.url.replace('{aet}', 'X').replace(/studies$/, 'instances')}`, {
      headers: { accept: 'application/dicom+json' },
    });
    expect(listed.status).toBe(204);
  });
});

describe('to a bare socket', () => {
  const sockets: Socket[] = [];
  let server: Server;
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await new Promise((resolve) => void server.close(resolve));
  });

  /** `react` is given the announced length. */
  async function serve(react: (length: number, socket: Socket) => void): Promise<Config> {
    server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      socket.once('data', (head) => {
        const [, length = '0'] = /content-length: (\d+)/i.exec(head.toString('latin1')) ?? [];
        react(Number(length), socket);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return configOf(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/rs/studies`);
  }

  const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

  it('that drops what is long, and lets what is short go on: names the setting', async () => {
    const config = await serve((length, socket) => {
      if (length > WILDFLY) socket.destroy();
      else socket.write(CONTINUE);
    });
    await expect(checkRequestLength(config)).rejects.toMatchObject({ code: 'ARCHIVE_SIZE_LIMIT' });
  });

  it('that drops a long one once, and then lets it go on: blames no limit', async () => {
    let dropped = false;
    const config = await serve((length, socket) => {
      if (length <= WILDFLY || dropped) {
        socket.write(CONTINUE);
        return;
      }
      dropped = true;
      socket.destroy();
    });
    expect(await checkRequestLength(config)).toContain('takes requests of');
  });

  it('that drops everything: blames no limit', async () => {
    const config = await serve((_, socket) => socket.destroy());
    expect(await checkRequestLength(config)).toContain('does not tell');
  });

  it('that knows no Expect: blames no limit', async () => {
    const config = await serve(() => undefined);
    expect(await checkRequestLength(config)).toContain('does not tell');
  });

  it('that answers 413 to all but what is short', async () => {
    const config = await serve((length, socket) => {
      if (length > 1_000_000) socket.end('HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 0\r\n\r\n');
      else socket.write(CONTINUE);
    });
    await expect(checkRequestLength(config)).rejects.toMatchObject({ code: 'ARCHIVE_SIZE_LIMIT' });
  });
});

it('without an archive configured says so', async () => {
  expect(await checkRequestLength(configSchema.parse({}))).toContain('none configured');
});
