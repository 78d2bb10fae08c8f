/** Under which institutions an archive holds a study. InstitutionName is an attribute of the series there, dcm4chee's and Orthanc's too. */
import { firstString, type JsonDataSet } from './dicom-json.ts';
import { uidSegment, type DicomWeb } from './dicomweb.ts';
import { createQidoQuery, isOfStudy } from './qido-query.ts';

const INSTITUTION_NAME = '00080080';

/** Series of a study that are looked at: the first ones tell where it was registered. */
const MAX_SERIES = 1000;
/** Characters of LO (PS3.5 6.2); what is longer was not written by a conforming archive, and is compared by its beginning. */
const MAX_LENGTH = 64;

/** Names without the blanks around them, which do not count in LO. Throws `ARCHIVE_…` errors and `INVALID_UID`. */
export async function studyInstitutions(
  web: DicomWeb,
  studyInstanceUID: string,
  signal?: AbortSignal,
): Promise<ReadonlySet<string>> {
  const study = uidSegment(studyInstanceUID);
  const resource = `series?includefield=${INSTITUTION_NAME}&limit=${String(MAX_SERIES)}`;
  const series = await createQidoQuery(web).underStudy(study, resource, signal);
  return new Set(series.slice(0, MAX_SERIES).flatMap((dataSet) => institutionOf(dataSet, study)));
}

function institutionOf(dataSet: JsonDataSet, study: string): readonly string[] {
  if (!isOfStudy(dataSet, study)) return [];
  const name = (firstString(dataSet, INSTITUTION_NAME) ?? '').slice(0, MAX_LENGTH).trim();
  return name === '' ? [] : [name];
}
