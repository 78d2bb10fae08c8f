/** Under which institutions an archive holds a study: of the embedded archive, of Orthanc, and of one that answers what it likes. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveSchema } from '../../core/config/schema.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import type { Archive } from '../../core/stow/outcome.ts';
import { startEmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { orthancAvailable, startOrthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { outgoing } from './archive-instances.ts';

const INSTITUTION_NAME = 0x00080080;

interface Peer {
  readonly url: string;
  close(): Promise<void>;
}

async function embedded(): Promise<Peer> {
  const folder = await temporaryFolder('institutions');
  const archive = await startEmbeddedArchive({ folder: folder.path });
  return {
    url: archive.url,
    close: async () => {
      await archive.close();
      await folder.remove();
    },
  };
}

async function orthanc(): Promise<Peer> {
  const peer = await startOrthanc();
  return { url: peer.stowUrl, close: () => peer.stop() };
}

describe.each([
  ['the embedded archive', embedded, false],
  ['Orthanc', orthanc, requirePeer('Orthanc with its DICOMweb plug-in', orthancAvailable())],
] as const)('%s', (_name, start, missing) => {
  describe.skipIf(missing)('tells the institutions of a study', () => {
    let peer: Peer;
    let archive: Archive;
    beforeAll(async () => {
      peer = await start();
      archive = createArchive({ config: archiveSchema.parse({ url: peer.url }), source: { aet: 'CT1', site: 'test' } });
    });
    afterAll(async () => {
      await archive.close();
      await peer.close();
    });

    const named = (study: string, name: string): ReturnType<typeof outgoing> =>
      outgoing(study, 1, { extra: [{ tag: INSTITUTION_NAME, vr: 'LO', value: name }] });

    it('none of a study that it does not have', async () => {
      expect(await archive.institutions('1.2.826.79.1')).toEqual(new Set());
    });

    it('the name of the study that it has', async () => {
      expect(await archive.store([named('1.2.826.79.2', 'Klinik Süd')])).toMatchObject([{ kind: 'stored' }]);
      expect(await archive.institutions('1.2.826.79.2')).toEqual(new Set(['Klinik Süd']));
    });

    it('none of a study without a name', async () => {
      expect(await archive.store([named('1.2.826.79.3', '')])).toMatchObject([{ kind: 'stored' }]);
      expect(await archive.institutions('1.2.826.79.3')).toEqual(new Set());
    });
  });
});

describe('an archive that answers what it likes', () => {
  const series = (name: unknown, study = '1.2.3'): object => ({
    '0020000D': { vr: 'UI', Value: [study] },
    '00080080': { vr: 'LO', Value: [name] },
  });

  async function ask(body: string, status = 200): Promise<ReadonlySet<string>> {
    const server = createServer((_request, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/rs/studies`;
    const archive = createArchive({ config: archiveSchema.parse({ url }), source: { aet: 'CT1', site: 'test' } });
    try {
      return await archive.institutions('1.2.3');
    } finally {
      await archive.close();
      server.close();
    }
  }

  it.each([
    ['names of another study', [series('South', '9.9'), series('North')], ['North']],
    ['no text', [series(5), series(null), series({}), { '00080080': 'North' }], []],
    ['blanks around a name, and a name twice', [series(' North '), series('North')], ['North']],
    ['a name without end', [series('N'.repeat(1_000_000))], ['N'.repeat(64)]],
    ['more series than were asked for', Array.from({ length: 5000 }, (_, index) => series(`Name ${index}`)), 1000],
  ])('%s', async (_name, answer, expected) => {
    const names = await ask(JSON.stringify(answer));
    if (typeof expected === 'number') expect(names.size).toBe(expected);
    else expect([...names]).toEqual(expected);
  });

  it.each([
    ['what is no DICOM JSON', '<html>', 200, 'ARCHIVE_AMBIGUOUS'],
    ['that it may not be asked', '', 403, 'ARCHIVE_FORBIDDEN'],
  ])('%s', async (_name, body, status, code) => {
    await expect(ask(body, status)).rejects.toMatchObject({ code, retryable: true });
  });
});
