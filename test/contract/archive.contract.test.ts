/** The double against the contract: each recorded request again, and what a running dcm4chee answered to it. */
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { readReferenceAnswers, referenceAvailable, type ReferenceAnswer } from './archive-answers.ts';
import { corpusAvailable, NOT_REPLAYED, replayedBody } from './archive-replay.ts';

interface Answered {
  readonly continued: boolean;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Sends what the recorded head says; only the length is that of the body that was built. */
async function replay(port: number, answer: ReferenceAnswer): Promise<Answered> {
  const body = answer.method === 'POST' ? replayedBody(answer) : Buffer.alloc(0);
  const headers = Object.fromEntries(answer.requestHeaders);
  if ('content-length' in headers) headers['content-length'] = String(body.length);
  const expects = 'expect' in headers;
  return new Promise((resolve, reject) => {
    let continued = false;
    const sending = request({ host: '127.0.0.1', port, method: answer.method, path: answer.url, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({
          continued,
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
        });
        sending.destroy();
      });
    });
    sending.on('error', reject);
    sending.on('continue', () => {
      continued = true;
      sending.end(body);
    });
    if (expects) sending.flushHeaders();
    else sending.end(body);
  });
}

/** Random UIDs, and the hashes that stand for a patient's name, differ from run to run. */
function comparable(text: string | undefined): string {
  return (text ?? '').replaceAll(/2\.25\.\d+/g, '2.25.RANDOM').replaceAll(/DCM4CHEE\.[0-9A-F]{8}\./g, 'DCM4CHEE.HASH.');
}

const COMPARED_HEADERS = [
  'content-type',
  'warning',
  'allow',
  'cache-control',
  'access-control-allow-methods',
  'access-control-expose-headers',
];

describe.skipIf(!referenceAvailable() || !corpusAvailable())('the embedded archive answers as dcm4chee did', () => {
  let folder: TemporaryFolder;
  let archive: EmbeddedArchive;
  beforeAll(async () => {
    folder = await temporaryFolder('contract');
    archive = await startEmbeddedArchive({ folder: folder.path, aets: ['DCM4CHEE', 'AS_RECEIVED'] });
  });
  afterAll(async () => {
    await archive.close();
    await folder.remove();
  });

  const answers = readReferenceAnswers().filter(({ name }) => !NOT_REPLAYED.has(name));

  it.each(answers.map((answer) => [`${answer.name}: ${answer.description}`, answer] as const))('%s', async (_, answer) => {
    const answered = await replay(archive.port, answer);
    expect(answered.status).toBe(answer.status);
    expect(comparable(answered.body)).toBe(comparable(answer.body));
    expect(answered.continued).toBe(answer.continued);
    for (const name of COMPARED_HEADERS) {
      expect([name, comparable(answered.headers[name]?.toString())]).toEqual([name, comparable(answer.headers.get(name))]);
    }
  });
});
