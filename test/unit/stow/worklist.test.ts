import { describe, expect, it } from 'vitest';

import type { HttpClient, HttpRequest, HttpResult } from '../../../core/stow/http.ts';
import { createWorklist, worklistAddress, type WorklistKey } from '../../../core/stow/worklist.ts';

const URL_OF_WORKLIST = 'http://archive/dcm4chee-arc/aets/WORKLIST/rs/mwlitems';
const ATTRIBUTES = ['AccessionNumber', 'ReferringPhysicianName', 'StudyDescription', 'PatientSize', 'OtherPatientNames'];
const ACCESSION: WorklistKey = { match: 'accession', accessionNumber: 'A-17' };

function answered(status: number, body: unknown = '', complete = true): HttpResult {
  const bytes = new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
  return { kind: 'answered', status, contentType: 'application/dicom+json', retryAfter: '', body: bytes, complete };
}

function worklistThat(...results: readonly HttpResult[]): {
  asked: HttpRequest[];
  find: ReturnType<typeof createWorklist>['find'];
} {
  const asked: HttpRequest[] = [];
  const left = [...results];
  const http: HttpClient = {
    async request(request) {
      asked.push(request);
      return (left.length > 1 ? left.shift() : left[0])!;
    },
    close: async () => undefined,
  };
  const worklist = createWorklist(URL_OF_WORKLIST, ATTRIBUTES, { http });
  return { asked, find: async (key) => worklist.find(key) };
}

function item(more: object = {}): object {
  return { '00080050': { vr: 'SH', Value: ['A-17'] }, ...more };
}

describe('the question', () => {
  it.each<[string, WorklistKey, string]>([
    ['by accession number', { match: 'accession', accessionNumber: 'A&17=+' }, 'AccessionNumber=A%2617%3D%2B&includefield=all'],
    [
      'by patient and date',
      { match: 'patientAndDate', patientID: 'P 1', date: '20261124' },
      'PatientID=P%201&00400100.00400002=20261124&includefield=all',
    ],
  ])('%s', async (_name, key, query) => {
    const worklist = worklistThat(answered(204));
    expect(await worklist.find(key)).toEqual([]);
    expect(worklist.asked).toMatchObject([{ method: 'GET', path: `/dcm4chee-arc/aets/WORKLIST/rs/mwlitems?${query}` }]);
  });
});

describe('the answer', () => {
  it('gives the attributes of the items, as text', async () => {
    const answer = item({
      '00080090': { vr: 'PN', Value: [{ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎' }] },
      '00081030': { vr: 'LO', Value: [] },
      '00101020': { vr: 'DS', Value: [1.75] },
      '00101001': { vr: 'PN', Value: [{ Alphabetic: 'A' }, null, { Phonetic: 'C' }] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Not^Taken' }] },
    });
    expect(await worklistThat(answered(200, [answer])).find(ACCESSION)).toEqual([
      {
        AccessionNumber: ['A-17'],
        ReferringPhysicianName: ['Yamada^Tarou=山田^太郎'],
        PatientSize: ['1.75'],
        OtherPatientNames: ['A', '', '==C'],
      },
    ]);
  });

  it('counts only items that have what was asked for', async () => {
    const others = [
      { '00080050': { vr: 'SH', Value: ['a-17'] } },
      { '00080050': { vr: 'SH', Value: ['A-17', 'A-18'] } },
      { '00080050': { vr: 'SH', Value: [17] } },
      {},
    ];
    expect(await worklistThat(answered(200, [...others, item()])).find(ACCESSION)).toEqual([{ AccessionNumber: ['A-17'] }]);
  });

  it('counts of a patient the steps of that day', async () => {
    const step = (date: string): object => ({ '00400002': { vr: 'DA', Value: [date] } });
    const of = (id: string, ...dates: string[]): object => ({
      ...item(),
      '00100020': { vr: 'LO', Value: [id] },
      '00400100': { vr: 'SQ', Value: dates.map(step) },
    });
    const worklist = worklistThat(
      answered(200, [of('P1', '20261123', '20261124'), of('P1', '20261125'), of('P2', '20261124'), of('P1')]),
    );
    const found = await worklist.find({ match: 'patientAndDate', patientID: 'P1', date: '20261124' });
    expect(found).toEqual([{ AccessionNumber: ['A-17'] }]);
  });

  it.each([
    ['another VR', { '00080090': { vr: 'LO', Value: ['Roe'] } }],
    ['no VR', { '00080090': { Value: ['Roe'] } }],
    ['a name that is text', { '00080090': { vr: 'PN', Value: ['Roe'] } }],
    ['a group of a name that holds groups', { '00080090': { vr: 'PN', Value: [{ Alphabetic: 'Roe=Roe' }] } }],
    ['a group of a name that is none', { '00080090': { vr: 'PN', Value: [{ Alphabetic: { Roe: 1 } }] } }],
    ['an object for a text', { '00081030': { vr: 'LO', Value: [{ Roe: 1 }] } }],
    ['a truth for a text', { '00081030': { vr: 'LO', Value: [true] } }],
    ['too many values', { '00101001': { vr: 'PN', Value: Array.from({ length: 101 }, () => ({ Alphabetic: 'Roe' })) } }],
  ])('is refused for %s, without saying it', async (_name, more) => {
    const error: unknown = await worklistThat(answered(200, [item(more)]))
      .find(ACCESSION)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'WORKLIST_INVALID', retryable: false });
    expect((error as Error).message).not.toContain('Roe');
  });

  it.each([
    ['404', answered(404), /coerce\.worklist\.url/],
    ['401', answered(401), /archive\.auth/],
    ['500', answered(500), /answered 500/],
    ['a redirect', answered(302), /answered 302/],
    ['text', answered(200, 'hello'), /not DICOM JSON/],
    ['an answer that was cut', answered(200, [item()], false), /cut or too long/],
    ['nothing', { kind: 'failed', failure: 'unreachable', cause: new Error('gone') } satisfies HttpResult, /does not answer/],
  ])('%s: it is tried again later', async (_name, result, message) => {
    await expect(worklistThat(result).find(ACCESSION)).rejects.toMatchObject({
      code: 'WORKLIST_UNAVAILABLE',
      retryable: true,
      object: URL_OF_WORKLIST,
      message: expect.stringMatching(message) as string,
    });
  });

  it('is asked for again at once where it failed in passing', async () => {
    const worklist = worklistThat(answered(503), answered(200, [item()]));
    expect(await worklist.find(ACCESSION)).toHaveLength(1);
    expect(worklist.asked).toHaveLength(2);
  });
});

describe('the address', () => {
  it('is one of http or https', () => {
    expect(worklistAddress(URL_OF_WORKLIST)).toEqual({
      origin: 'http://archive',
      path: '/dcm4chee-arc/aets/WORKLIST/rs/mwlitems',
    });
  });

  it.each(['ftp://h/mwlitems', 'http://me:secret@h/mwlitems', 'http://h/mwlitems?x=1', 'http://h/mwlitems#x', 'mwlitems'])(
    'is not %s',
    (url) => {
      expect(() => worklistAddress(url)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }) as Error);
      expect(() => worklistAddress(url)).not.toThrow(/secret/);
    },
  );
});
