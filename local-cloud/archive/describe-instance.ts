/** What the archive keeps in its index of one instance: identity, patient, and the attributes that QIDO-RS answers with. */
import type { Part10, Tag } from '../../core/dicom/data-set.ts';
import { vrOf } from '../../core/dicom/dictionary.ts';
import { asciiText } from '../../core/dicom/element-value.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { readableTexts } from './readable-text.ts';
import { elementToJson, jsonTag, type JsonElement } from './to-dicom-json.ts';

/** Each one absent where the file has no value. */
export interface Identity {
  readonly sopClassUID: string | undefined;
  readonly sopInstanceUID: string | undefined;
  readonly studyInstanceUID: string | undefined;
  readonly seriesInstanceUID: string | undefined;
}

export interface Description {
  readonly transferSyntaxUID: string;
  /** As dcm4chee compares it within a study: `ID^^^ISSUER`; absent without a Patient ID. */
  readonly patient: string | undefined;
  readonly modality: string;
  /** [tag, element] pairs in tag order. */
  readonly studyAttributes: readonly (readonly [string, JsonElement])[];
  readonly instanceAttributes: readonly (readonly [string, JsonElement])[];
}

const NUMBER_OF_FRAMES = 0x00280008;

/** What dcm4chee answers for a study from the file, null where it has none. */
const STUDY_TAGS: readonly Tag[] = [
  TAG.StudyDate, TAG.StudyTime, TAG.AccessionNumber, TAG.ReferringPhysicianName, TAG.TimezoneOffsetFromUTC, TAG.PatientName,
  TAG.PatientID, TAG.PatientBirthDate, TAG.PatientSex, TAG.StudyInstanceUID, TAG.StudyID,
]; // prettier-ignore

/** The same for an instance; the last three are PerformedProcedureStepStartDate and …Time and RequestAttributesSequence. */
const INSTANCE_TAGS: readonly Tag[] = [
  TAG.SOPClassUID, TAG.SOPInstanceUID, TAG.Modality, TAG.TimezoneOffsetFromUTC, TAG.SeriesDescription, TAG.StudyInstanceUID,
  TAG.SeriesInstanceUID, TAG.SeriesNumber, TAG.InstanceNumber, NUMBER_OF_FRAMES, TAG.Rows, TAG.Columns, TAG.BitsAllocated,
  0x00400244, 0x00400245, 0x00400275,
]; // prettier-ignore

/** Answered only where the file has them; the institution for a series, where it is asked for. */
const WHERE_PRESENT: readonly Tag[] = [TAG.SpecificCharacterSet, TAG.InstitutionName];

export function identityOf({ dataSet }: Part10): Identity {
  const uid = (tag: Tag): string | undefined => {
    const text = asciiText(dataSet, tag);
    return text === '' ? undefined : text;
  };
  return {
    sopClassUID: uid(TAG.SOPClassUID),
    sopInstanceUID: uid(TAG.SOPInstanceUID),
    studyInstanceUID: uid(TAG.StudyInstanceUID),
    seriesInstanceUID: uid(TAG.SeriesInstanceUID),
  };
}

export function describeInstance(part10: Part10): Description {
  return {
    transferSyntaxUID: part10.transferSyntax.uid,
    patient: patientOf(part10),
    modality: asciiText(part10.dataSet, TAG.Modality) ?? '',
    studyAttributes: attributes(part10, STUDY_TAGS),
    instanceAttributes: attributes(part10, INSTANCE_TAGS),
  };
}

function attributes(part10: Part10, nullable: readonly Tag[]): readonly (readonly [string, JsonElement])[] {
  const { dataSet } = part10;
  return [...WHERE_PRESENT, ...nullable]
    .flatMap((tag) => {
      const element = dataSet.get(tag);
      const json = element === undefined ? undefined : elementToJson(dataSet, element);
      if (json !== undefined) return [[jsonTag(tag), json] as const];
      return WHERE_PRESENT.includes(tag) ? [] : [[jsonTag(tag), { vr: vrOf(tag) ?? 'UN' }] as const];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The default AE of dcm4chee fills a missing issuer from hashes of name and birth date (contract, section 2: the A778 trap). */
function patientOf(part10: Part10): string | undefined {
  const id = text(part10, TAG.PatientID);
  if (id === undefined) return undefined;
  const issuer =
    text(part10, TAG.IssuerOfPatientID) ??
    `DCM4CHEE.${javaHash(text(part10, TAG.PatientName))}.${javaHash(text(part10, TAG.PatientBirthDate))}`;
  return `${id}^^^${issuer}`;
}

function text(part10: Part10, tag: Tag): string | undefined {
  const element = part10.dataSet.get(tag);
  const value = element === undefined ? undefined : readableTexts(part10.dataSet, element)[0];
  return value === undefined || value === '' ? undefined : value;
}

/** `String.hashCode` of Java, as eight upper-case hex digits. */
function javaHash(value: string | undefined): string {
  if (value === undefined) return 'null';
  let hash = 0;
  for (let index = 0; index < value.length; index++) hash = (Math.imul(hash, 31) + value.charCodeAt(index)) | 0;
  return (hash >>> 0).toString(16).toUpperCase().padStart(8, '0');
}
