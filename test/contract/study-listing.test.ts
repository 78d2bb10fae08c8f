/** All that an archive lists of a study: of the embedded archive over several pages, of Orthanc, and of one that answers what it likes. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { archiveSchema } from '../../core/config/schema.ts';
import { createArchive } from '../../core/stow/dicomweb-archive.ts';
import { createDicomWeb, openConnection } from '../../core/stow/dicomweb.ts';
import { listStudy } from '../../core/stow/study-listing.ts';
import { startEmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { orthancAvailable, startOrthanc } from '../support/orthanc.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { outgoingStudy } from './archive-instances.ts';

const SOURCE = { aet: 'CT1', site: 'test' };

async function list(url: string, study: string): Promise<ReadonlySet<string>> {
  const config = archiveSchema.parse({ url });
  const connection = openConnection(config);
  try {
    return await listStudy(createDicomWeb(config, SOURCE, connection), study);
  } finally {
    await connection.close();
  }
}

async function storeAndList(url: string, study: string, count: number): Promise<void> {
  const instances = outgoingStudy(study, count);
  const archive = createArchive({ config: archiveSchema.parse({ url, proof: 'listed' }), source: SOURCE });
  try {
    expect((await archive.store(instances)).every(({ kind }) => kind === 'stored')).toBe(true);
  } finally {
    await archive.close();
  }
  expect([...(await list(url, study))].toSorted()).toEqual(instances.map(({ sopInstanceUID }) => sopInstanceUID).toSorted());
  expect(await list(url, `${study}.9`)).toEqual(new Set());
}

describe('listStudy', () => {
  it('of the embedded archive, which answers a thousand at a time', async () => {
    const folder = await temporaryFolder('listing');
    const archive = await startEmbeddedArchive({ folder: folder.path });
    await storeAndList(archive.url, '1.2.826.80.1', 1203);
    await archive.close();
    await folder.remove();
  });

  it.skipIf(requirePeer('Orthanc with its DICOMweb plug-in', orthancAvailable()))('of Orthanc', async () => {
    const orthanc = await startOrthanc();
    await storeAndList(orthanc.stowUrl, '1.2.826.80.2', 120);
    await orthanc.stop();
  });

  async function against(answer: RequestListener): Promise<ReadonlySet<string>> {
    const server = createServer(answer).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      return await list(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/rs/studies`, '1.2.3');
    } finally {
      server.close();
    }
  }
  const instance = (sop: unknown, study = '1.2.3'): object => ({ '00080018': { Value: [sop] }, '0020000D': { Value: [study] } });

  it('of an archive that passes over offset: once, not for ever', async () => {
    let asked = 0;
    const answer = JSON.stringify([instance('1.1'), instance('1.2')]);
    const found = await against((_request, response) => {
      asked += 1;
      response.writeHead(200).end(answer);
    });
    expect([...found]).toEqual(['1.1', '1.2']);
    expect(asked).toBe(2);
  });

  it('takes only UIDs of the study', async () => {
    const answer = JSON.stringify([
      instance('1.1'),
      instance('1.2', '9.9'),
      instance(5),
      instance('<script>'),
      instance('1'.repeat(65)),
      {},
    ]);
    expect([...(await against((_request, response) => void response.writeHead(200).end(answer)))]).toEqual(['1.1']);
  });
});
