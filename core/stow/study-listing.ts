/** What an archive lists of a study, all of it: what nobody asked for by name is found so. */
import { firstString } from './dicom-json.ts';
import { isUid, uidSegment, type DicomWeb } from './dicomweb.ts';
import { createQidoQuery, isOfStudy } from './qido-query.ts';

const SOP_INSTANCE_UID = '00080018';

/** dcm4chee answers with this many at most. */
const PAGE = 1000;
/** An answer without end is no study. */
const MAX_PAGES = 1000;

/** SOP Instance UIDs. Throws `ARCHIVE_…` errors and `INVALID_UID`. */
export async function listStudy(web: DicomWeb, studyInstanceUID: string, signal?: AbortSignal): Promise<ReadonlySet<string>> {
  const study = uidSegment(studyInstanceUID);
  const query = createQidoQuery(web);
  const found = new Set<string>();
  for (let page = 0; page < MAX_PAGES; page++) {
    const before = found.size;
    const dataSets = await query.underStudy(study, `instances?limit=${String(PAGE)}&offset=${String(before)}`, signal);
    for (const dataSet of dataSets) {
      const uid = firstString(dataSet, SOP_INSTANCE_UID) ?? '';
      if (isUid(uid) && isOfStudy(dataSet, study)) found.add(uid);
    }
    if (found.size === before) break;
  }
  return found;
}
