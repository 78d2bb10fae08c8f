/** QIDO-RS (PS3.18 10.6): which instances the archive lists under a study. Its answers are hostile: only what was asked for counts. */
import { StorestowError } from '../errors.ts';
import { firstString, type JsonDataSet } from './dicom-json.ts';
import { isUid, uidSegment, type DicomWeb } from './dicomweb.ts';
import type { ArchivedInstance } from './outcome.ts';
import { createQidoQuery, isOfStudy, STUDY_INSTANCE_UID } from './qido-query.ts';

const SOP_INSTANCE_UID = '00080018';
const SERIES_INSTANCE_UID = '0020000E';

/** UIDs of one question: with 64 characters each, an address stays below 4 KB. */
const UIDS_A_QUESTION = 50;
/** Beyond so many the study is asked for as a whole: 1,000 instances a page instead of 50 a question. */
const MAX_QUESTIONS = 4;
/** dcm4chee answers with this many at most, so a listing goes in pages. */
const PAGE = 1000;
const MAX_PAGES = 1000;

export interface Asking {
  /** Ask for what identifies the stored bytes too (dcm4chee's private attributes). */
  readonly digests?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Qido {
  /** Whether it tells the digest of what is stored, as dcm4chee does. */
  readonly tellsDigests: boolean;
  /** Whether it lists any instance under the study. */
  holdsStudy(studyInstanceUID: string, asking?: Asking): Promise<boolean>;
  /** Those of the instances that it lists under the study, by SOP Instance UID. */
  find(
    studyInstanceUID: string,
    sopInstanceUIDs: readonly string[],
    asking?: Asking,
  ): Promise<ReadonlyMap<string, ArchivedInstance>>;
  /** Study Instance UIDs under which the archive as a whole lists the instance. */
  studiesOf(sopInstanceUID: string, asking?: Asking): Promise<readonly string[]>;
}

/** All throw `ARCHIVE_…` errors and `INVALID_UID`. */
export function createQido(web: DicomWeb): Qido {
  const query = createQidoQuery(web);
  // A list of UIDs is optional for an archive (PS3.18 8.3.4.1). Once one was answered with two of them, lists are trusted.
  let listsUnderstood = false;
  // dcm4chee serves below this path; includefield=all makes others read every file.
  const tellsDigests = /\/dcm4chee-arc\/aets\//.test(web.url);

  function fields(digests: boolean | undefined): string {
    return digests === true && tellsDigests ? '&includefield=all' : '';
  }

  /** Those of a list, and again behind them: an archive may answer with fewer at once than it has (PS3.18 8.3.4.4). */
  async function askForList(study: string, uids: readonly string[], asking: Asking): Promise<readonly ArchivedInstance[]> {
    const wanted = new Set(uids);
    const found = new Map<string, ArchivedInstance>();
    for (let before = -1; found.size > before && found.size < wanted.size;) {
      before = found.size;
      const dataSets = await askForPage(study, uids, before, asking);
      for (const instance of readInstances(dataSets, study, wanted)) found.set(instance.sopInstanceUID, instance);
    }
    return [...found.values()];
  }

  async function askForPage(
    study: string,
    uids: readonly string[],
    offset: number,
    { digests, signal }: Asking,
  ): Promise<readonly JsonDataSet[]> {
    const page = offset === 0 ? '' : `&limit=${String(PAGE)}&offset=${String(offset)}`;
    try {
      return await query.underStudy(study, `instances?SOPInstanceUID=${uids.join(',')}${page}${fields(digests)}`, signal);
    } catch (error) {
      // 400, 414 and the like to a list: the archive may still answer to the whole study.
      if (uids.length > 1 && error instanceof StorestowError && error.code === 'ARCHIVE_REFUSED') return [];
      throw error;
    }
  }

  /** Every instance of the study, page by page, until a page brings nothing new. */
  async function askForStudy(
    study: string,
    wanted: ReadonlySet<string>,
    { digests, signal }: Asking,
  ): Promise<Map<string, ArchivedInstance>> {
    const found = new Map<string, ArchivedInstance>();
    const seen = new Set<string>();
    for (let page = 0; page < MAX_PAGES; page++) {
      const before = seen.size;
      const dataSets = await query.underStudy(
        study,
        `instances?limit=${String(PAGE)}&offset=${String(seen.size)}${fields(digests)}`,
        signal,
      );
      for (const dataSet of dataSets) seen.add(firstString(dataSet, SOP_INSTANCE_UID) ?? '');
      for (const instance of readInstances(dataSets, study, wanted)) found.set(instance.sopInstanceUID, instance);
      if (seen.size === before || found.size === wanted.size) break;
    }
    return found;
  }

  return {
    tellsDigests,
    async holdsStudy(studyInstanceUID, { signal } = {}) {
      const study = uidSegment(studyInstanceUID);
      return (await query.underStudy(study, 'instances?limit=1', signal)).some((dataSet) => isOfStudy(dataSet, study));
    },
    async find(studyInstanceUID, sopInstanceUIDs, asking = {}) {
      const study = uidSegment(studyInstanceUID);
      const wanted = new Set(sopInstanceUIDs.map(uidSegment));
      if (wanted.size > UIDS_A_QUESTION * MAX_QUESTIONS) return askForStudy(study, wanted, asking);
      const found = new Map<string, ArchivedInstance>();
      for (const uids of chunksOf([...wanted], UIDS_A_QUESTION)) {
        const answered = await askForList(study, uids, asking);
        if (answered.length >= 2) listsUnderstood = true;
        for (const instance of answered) found.set(instance.sopInstanceUID, instance);
      }
      if (listsUnderstood || wanted.size < 2 || found.size === wanted.size) return found;
      return new Map([...(await askForStudy(study, wanted, asking)), ...found]);
    },
    async studiesOf(sopInstanceUID, { signal } = {}) {
      const dataSets = await query.everywhere(`instances?SOPInstanceUID=${uidSegment(sopInstanceUID)}`, signal);
      const ofInstance = dataSets.filter((dataSet) => firstString(dataSet, SOP_INSTANCE_UID) === sopInstanceUID);
      return [...new Set(ofInstance.flatMap((dataSet) => firstString(dataSet, STUDY_INSTANCE_UID) ?? []))].filter(isUid);
    },
  };
}

function chunksOf<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, index) => list.slice(index * size, (index + 1) * size));
}

/** In the place of what an archive gives as a UID and is none: it is in no message, and equal to no series. */
const NO_UID = '(not a UID)';

function readInstances(
  dataSets: readonly JsonDataSet[],
  study: string,
  wanted: ReadonlySet<string>,
): readonly ArchivedInstance[] {
  return dataSets.flatMap((dataSet) => {
    const sopInstanceUID = firstString(dataSet, SOP_INSTANCE_UID);
    if (sopInstanceUID === undefined || !wanted.has(sopInstanceUID) || !isOfStudy(dataSet, study)) return [];
    const seriesInstanceUID = firstString(dataSet, SERIES_INSTANCE_UID);
    const storageDigest = readStorageDigest(dataSet);
    return [
      {
        sopInstanceUID,
        ...(seriesInstanceUID === undefined ? {} : { seriesInstanceUID: isUid(seriesInstanceUID) ? seriesInstanceUID : NO_UID }),
        ...(storageDigest === undefined ? {} : { storageDigest }),
      },
    ];
  });
}

/** StorageObjectDigest (7777,xx54) in the block of the private creator "DCM4CHEE Archive 5" (PS3.5 7.8.1): MD5, upper-case hex. */
function readStorageDigest(dataSet: JsonDataSet): string | undefined {
  const creator = Object.keys(dataSet).find(
    (tag) => /^777700[1-9A-F][0-9A-F]$/.test(tag) && firstString(dataSet, tag) === 'DCM4CHEE Archive 5',
  );
  if (creator === undefined) return undefined;
  const digest = firstString(dataSet, `7777${creator.slice(6)}54`);
  return digest !== undefined && /^[0-9A-F]{32}$/i.test(digest) ? digest.toLowerCase() : undefined;
}
