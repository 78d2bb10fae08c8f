import { describe, expect, it } from 'vitest';
import { createOrthancDigest, findRestBase, orthancId, restBases } from '../../../core/stow/orthanc-rest.ts';
import type { DicomWeb } from '../../../core/stow/dicomweb.ts';
import type { HttpAnswer } from '../../../core/stow/http.ts';
import { outgoing } from '../../contract/archive-instances.ts';

const SYSTEM = JSON.stringify({ ApiVersion: 16, DatabaseVersion: 6, DicomAet: 'ORTHANC', Name: 'x' });
const INSTANCE = outgoing('1.2.3', 1);
const MD5 = '/instances/e567f696-01f2d369-ad44a1e1-4289e2df-8001a3bd/attachments/dicom/md5';

/** Answers by path; every other one is 404. */
function web(path: string, answers: Readonly<Record<string, string | number | Error>>): DicomWeb & { readonly asked: string[] } {
  const asked: string[] = [];
  const getPath = async (resource: string): Promise<HttpAnswer> => {
    asked.push(resource);
    const answer = answers[resource] ?? 404;
    if (answer instanceof Error) throw answer;
    const [status, body] = typeof answer === 'number' ? [answer, ''] : [200, answer];
    return { kind: 'answered', status, contentType: '', retryAfter: '', body: Buffer.from(body), complete: true };
  };
  return { url: '', path, getPath, asked } as Partial<DicomWeb> & { asked: string[] } as DicomWeb & { asked: string[] };
}

describe('orthancId', () => {
  it('is as Orthanc 1.10 made it', () => {
    expect(orthancId({ ...INSTANCE, patientID: 'TEST-1' })).toBe('e567f696-01f2d369-ad44a1e1-4289e2df-8001a3bd');
  });
});

describe('where the REST API is looked for', () => {
  it.each([
    ['/dicom-web/studies', ['']],
    ['/orthanc/dicom-web/studies', ['/orthanc', '']],
    ['/studies', ['/studies', '']],
  ])('%s: %j', (path, bases) => {
    expect(restBases(path)).toEqual(bases);
  });

  it.each<[string, Readonly<Record<string, string | number>>, string | undefined]>([
    ['beside the DICOMweb', { '/o/system': SYSTEM, '/system': SYSTEM }, '/o'],
    ['at the root', { '/system': SYSTEM }, ''],
    ['nowhere', {}, undefined],
    ['not allowed', { '/o/system': 403, '/system': 401 }, undefined],
    ['no JSON', { '/o/system': '<html>', '/system': '' }, undefined],
    ['another system', { '/o/system': '{"status":"ok"}', '/system': '[]' }, undefined],
  ])('%s', async (_, answers, base) => {
    expect(await findRestBase(web('/o/dicom-web/studies', answers), undefined)).toBe(base);
  });
});

describe('the digest that Orthanc tells', () => {
  const compare = async (answer: string | number): Promise<unknown> =>
    createOrthancDigest(web('/dicom-web/studies', { '/system': SYSTEM, [MD5]: answer })).compare(INSTANCE, undefined, undefined);

  it('is held against the MD5 of what was sent', async () => {
    expect(await compare(INSTANCE.md5)).toMatchObject({ verdict: 'equal' });
    const other = '0123456789abcdef0123456789abcdef';
    expect(await compare(other)).toEqual({ verdict: 'differs', told: other, expected: INSTANCE.md5 });
  });

  it.each([404, 403, '', 'x', '{"md5":1}'])('is none: %j', async (answer) => {
    expect(await compare(answer)).toEqual({ verdict: 'untold' });
  });

  it('is asked for of an Orthanc alone, which is found out once', async () => {
    const other = web('/dicom-web/studies', {});
    const digest = createOrthancDigest(other);
    for (let time = 0; time < 3; time++) {
      expect(await digest.compare(INSTANCE, undefined, undefined)).toEqual({ verdict: 'untold' });
    }
    expect(other.asked).toEqual(['/system']);
  });

  it('is asked for again where nobody answered', async () => {
    const answers: Record<string, string | Error> = { '/system': new Error('down'), [MD5]: INSTANCE.md5 };
    const digest = createOrthancDigest(web('/dicom-web/studies', answers));
    await expect(digest.compare(INSTANCE, undefined, undefined)).rejects.toThrow('down');
    answers['/system'] = SYSTEM;
    expect(await digest.compare(INSTANCE, undefined, undefined)).toMatchObject({ verdict: 'equal' });
  });
});
