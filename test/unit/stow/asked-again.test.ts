/** Questions that fail are asked again at once only where that can help. */
import { describe, expect, it } from 'vitest';
import { createLimit } from '../../../core/concurrency.ts';
import { archiveSchema } from '../../../core/config/schema.ts';
import { StorestowError, type ErrorCode } from '../../../core/errors.ts';
import { createArchiveReader } from '../../../core/stow/archive-reader.ts';
import { createDicomWeb, type Connection } from '../../../core/stow/dicomweb.ts';
import type { HttpClient } from '../../../core/stow/http.ts';
import { createQido } from '../../../core/stow/qido.ts';
import { createWorklist } from '../../../core/stow/worklist.ts';

const CONFIG = archiveSchema.parse({ url: 'https://archive.example/rs/studies' });
const SOURCE = { aet: 'CT1', site: 'test' };

/** A connection whose first request fails for this reason; the others are answered 204. */
function failingOnce(code: ErrorCode): { readonly connection: Connection; readonly asked: () => number } {
  let asked = 0;
  const http: HttpClient = {
    async request() {
      asked += 1;
      if (asked === 1)
        return Promise.resolve({
          kind: 'failed',
          failure: 'unreachable',
          cause: new StorestowError(code, 'as the test wants it'),
        });
      return Promise.resolve({
        kind: 'answered',
        status: 204,
        contentType: '',
        retryAfter: '',
        body: new Uint8Array(0),
        complete: true,
      });
    },
    close: async () => undefined,
  };
  return {
    connection: { http, announcer: http, limit: createLimit(1), close: async () => undefined },
    asked: () => asked,
  };
}

const questions: [string, (connection: Connection) => Promise<unknown>][] = [
  ['by QIDO-RS', (connection) => createQido(createDicomWeb(CONFIG, SOURCE, connection)).holdsStudy('1.2')],
  [
    'of a worklist',
    (connection) =>
      createWorklist('https://archive.example/rs/mwlitems', ['StudyDescription'], connection).find({
        match: 'accession',
        accessionNumber: 'A-1',
      }),
  ],
  [
    'by WADO-RS',
    (connection) =>
      createArchiveReader(CONFIG, SOURCE, connection).retrieve({
        studyInstanceUID: '1.2',
        seriesInstanceUID: '1.2.3',
        sopInstanceUID: '1.2.3.4',
      }),
  ],
];

describe.each(questions)('a question %s', (_name, ask) => {
  it('is asked again where nobody answered', async () => {
    const { connection, asked } = failingOnce('ARCHIVE_UNAVAILABLE');
    await ask(connection).catch(() => undefined);
    expect(asked()).toBeGreaterThan(1);
  });

  it.each(['TLS_UNTRUSTED', 'TLS_REFUSED'] as const)('is not where the answer was %s', async (code) => {
    const { connection, asked } = failingOnce(code);
    await expect(ask(connection)).rejects.toMatchObject({ retryable: true });
    expect(asked()).toBe(1);
  });
});
