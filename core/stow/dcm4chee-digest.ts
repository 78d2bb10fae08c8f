/**
 * dcm4chee tells the MD5 of each file that it keeps (StorageObjectDigest). The file is written by dcm4che, deterministically, with
 * dcm4che's version in it: known that version, the digest is predicted.
 */
import { predictDcm4cheFile } from '../dicom/dcm4che-file.ts';
import { asciiText } from '../dicom/element-value.ts';
import { TAG } from '../dicom/tags.ts';
import { compareDigests, type ArchiveDigest, type DigestComparison } from './archive-digest.ts';

/** Versions by which digests are predicted: an archive that was upgraded has files of more than one. */
const MAX_VERSIONS = 4;

/** `configured`: `archive.implementationVersionName`. */
export function createDcm4cheeDigest(configured: string | undefined): ArchiveDigest {
  // The latest first.
  let versions: readonly string[] = configured === undefined ? [] : [configured];
  return {
    async compare(instance, listed) {
      const told = listed?.storageDigest;
      if (told === undefined) return { verdict: 'untold' };
      let latest: DigestComparison | undefined;
      for (const version of versions) {
        const predicted = await predictDcm4cheFile(instance, version);
        if ('unpredictable' in predicted) break;
        const compared = compareDigests(told, predicted.md5);
        if (compared.verdict === 'equal') return compared;
        latest ??= compared;
      }
      return latest ?? { verdict: 'unpredictable', told };
    },
    learn({ meta }) {
      const version = asciiText(meta, TAG.ImplementationVersionName);
      if (version === undefined || version === '' || versions.includes(version)) return false;
      versions = [version, ...versions].slice(0, MAX_VERSIONS);
      return true;
    },
  };
}
