/** A question by QIDO-RS (PS3.18 10.6) and its answer as data sets, which are hostile until what was asked for is found in them. */
import { StorestowError } from '../errors.ts';
import { retry } from '../retry.ts';
import { mayPass } from './connection-failure.ts';
import { firstString, parseDataSets, type JsonDataSet } from './dicom-json.ts';
import { answerError, type DicomWeb } from './dicomweb.ts';
import type { HttpAnswer } from './http.ts';

export const STUDY_INSTANCE_UID = '0020000D';

const MAX_BYTES = 32 * 1024 * 1024;
/** dcm4chee can answer 500 while it stores. */
const RETRY = { retries: 3, firstDelay: 200, maxDelay: 2000, again: mayPass };
const TRANSIENT = new Set([429, 500, 502, 503, 504]);

export interface QidoQuery {
  /** What lies under a study: `resource` is `instances?…` or `series?…`. Nothing where the archive does not know the study. */
  underStudy(study: string, resource: string, signal: AbortSignal | undefined): Promise<readonly JsonDataSet[]>;
  /** The same of the archive as a whole. */
  everywhere(resource: string, signal: AbortSignal | undefined): Promise<readonly JsonDataSet[]>;
}

/** An archive need not say of which study it is what lies under one. */
export function isOfStudy(dataSet: JsonDataSet, study: string): boolean {
  return (firstString(dataSet, STUDY_INSTANCE_UID) ?? study) === study;
}

/** Throws `ARCHIVE_…` errors. */
export function createQidoQuery(web: DicomWeb): QidoQuery {
  async function get(path: string, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    return retry(
      async () => {
        const answer = await web.getPath(path, { accept: 'application/dicom+json', maxBytes: MAX_BYTES, signal });
        if (TRANSIENT.has(answer.status)) throw answerError(answer.status, 'QIDO-RS', web.url);
        if (!answer.complete) {
          throw new StorestowError('ARCHIVE_UNAVAILABLE', 'the answer to QIDO-RS was cut or too long', { object: web.url });
        }
        return answer;
      },
      { ...RETRY, ...(signal === undefined ? {} : { signal }) },
    );
  }

  async function list(path: string, signal: AbortSignal | undefined): Promise<readonly JsonDataSet[] | 'not found'> {
    const answer = await get(path, signal);
    if (answer.status === 204) return [];
    if (answer.status === 404) return 'not found';
    if (answer.status !== 200) throw answerError(answer.status, 'QIDO-RS', web.url);
    const dataSets = parseDataSets(answer.body);
    if (dataSets !== undefined) return dataSets;
    throw new StorestowError('ARCHIVE_AMBIGUOUS', 'the answer to QIDO-RS is not DICOM JSON (PS3.18 F); check archive.url', {
      object: web.url,
    });
  }

  return {
    /** 404 is a wrong address (dcm4chee: unknown AE title), or, with some archives, an unknown study: another question tells. */
    async underStudy(study, resource, signal) {
      const listed = await list(`${web.path}/${study}/${resource}`, signal);
      if (listed !== 'not found') return listed;
      if ((await list(`${web.path}?StudyInstanceUID=${study}&limit=1`, signal)) === 'not found')
        throw answerError(404, 'QIDO-RS', web.url);
      return [];
    },
    async everywhere(resource, signal) {
      const listed = await list(web.path.replace(/studies$/, resource), signal);
      if (listed === 'not found') throw answerError(404, 'QIDO-RS', web.url);
      return listed;
    },
  };
}
