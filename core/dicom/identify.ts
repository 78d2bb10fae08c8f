/** The UIDs that say what an instance is. */
import { StorestowError } from '../errors.ts';
import type { Part10, Tag } from './data-set.ts';
import { keywordOf } from './dictionary.ts';
import { asciiText, hasSeveralValues } from './element-value.ts';
import { TAG } from './tags.ts';

export interface InstanceIdentity {
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
  readonly sopClassUID: string;
}

/**
 * What may stand in a URL or a key: digits and dots, one digit at least (`..` is no UID), 64 characters at most. PS3.5 9.1
 * asks for more (no leading zeros in a component), which modalities break and archives accept.
 */
const SAFE_UID = /^(?=.{1,64}$)\.*[0-9][0-9.]*$/;

/** From the data set, not from the file meta information: it is what archives go by. Throws `MISSING_UID`, `INVALID_UID`. */
export function identify(part10: Pick<Part10, 'dataSet'>): InstanceIdentity {
  return {
    studyInstanceUID: uidOf(part10, TAG.StudyInstanceUID),
    seriesInstanceUID: uidOf(part10, TAG.SeriesInstanceUID),
    sopInstanceUID: uidOf(part10, TAG.SOPInstanceUID),
    sopClassUID: uidOf(part10, TAG.SOPClassUID),
  };
}

/** Without its padding; as anything that is not a UID must not reach a log, an invalid one is not quoted. */
function uidOf({ dataSet }: Pick<Part10, 'dataSet'>, tag: Tag): string {
  const element = dataSet.get(tag);
  const keyword = keywordOf(tag);
  if (element === undefined || element.length === 0) {
    throw new StorestowError('MISSING_UID', `the instance has no ${keyword}; the sender must correct this`);
  }
  const uid = asciiText(dataSet, tag);
  if (uid === '') {
    throw new StorestowError('MISSING_UID', `the ${keyword} of the instance is empty; the sender must correct this`, {
      offset: element.offset,
    });
  }
  if (hasSeveralValues(dataSet, tag)) {
    throw new StorestowError('INVALID_UID', `the instance has several of ${keyword}; the sender must correct this`, {
      offset: element.offset,
    });
  }
  if (uid !== undefined && SAFE_UID.test(uid)) return uid;
  throw new StorestowError(
    'INVALID_UID',
    `the ${keyword} of the instance is not at most 64 digits and dots; the sender must correct this`,
    { offset: element.offset },
  );
}
