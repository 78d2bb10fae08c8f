/**
 * Attributes of patient, study and series (PS3.3 C.7.1 to C.7.3, C.7.5.1): an archive keeps them once for all instances, and merges
 * them into what it gives back (contract, section 4).
 */
import type { Tag } from '../dicom/data-set.ts';
import { groupOf } from '../dicom/tag-text.ts';
import { TAG } from '../dicom/tags.ts';

/** Patient identification and demography (0010); clinical trial (0012). */
const GROUPS: ReadonlySet<number> = new Set([0x0010, 0x0012]);

const TAGS: ReadonlySet<Tag> = new Set([
  // Study
  TAG.StudyDate, TAG.StudyTime, TAG.AccessionNumber, TAG.ReferringPhysicianName, TAG.TimezoneOffsetFromUTC, TAG.StudyDescription,
  TAG.NameOfPhysiciansReadingStudy, TAG.StudyID, TAG.RequestingServiceCodeSequence,
  0x00080051, // IssuerOfAccessionNumberSequence
  0x00080096, // ReferringPhysicianIdentificationSequence
  0x0008009c, // ConsultingPhysicianName
  0x0008009d, // ConsultingPhysicianIdentificationSequence
  0x00081032, // ProcedureCodeSequence
  0x00081048, // PhysiciansOfRecord
  0x00081049, // PhysiciansOfRecordIdentificationSequence
  0x00081062, // PhysiciansReadingStudyIdentificationSequence
  0x00081080, // AdmittingDiagnosesDescription
  0x00081084, // AdmittingDiagnosesCodeSequence
  0x00081110, // ReferencedStudySequence
  0x00081120, // ReferencedPatientSequence
  0x00321032, // RequestingPhysician
  0x00321033, // RequestingService
  0x00321060, // RequestedProcedureDescription
  0x00321064, // RequestedProcedureCodeSequence
  0x00380010, // AdmissionID
  0x00380014, // IssuerOfAdmissionIDSequence
  0x00380060, // ServiceEpisodeID
  0x00380062, // ServiceEpisodeDescription
  0x00380064, // IssuerOfServiceEpisodeIDSequence
  0x00401012, // ReasonForPerformedProcedureCodeSequence
  // Series and equipment
  TAG.Modality, TAG.Manufacturer, TAG.InstitutionName, TAG.InstitutionAddress, TAG.StationName, TAG.SeriesDescription,
  TAG.InstitutionalDepartmentName, TAG.SeriesNumber,
  0x00080021, // SeriesDate
  0x00080031, // SeriesTime
  0x00080082, // InstitutionCodeSequence
  0x0008103f, // SeriesDescriptionCodeSequence
  0x00081041, // InstitutionalDepartmentTypeCodeSequence
  0x00081050, // PerformingPhysicianName
  0x00081052, // PerformingPhysicianIdentificationSequence
  0x00081070, // OperatorsName
  0x00081072, // OperatorIdentificationSequence
  0x00081090, // ManufacturerModelName
  0x00081111, // ReferencedPerformedProcedureStepSequence
  0x00180015, // BodyPartExamined
  0x00181000, // DeviceSerialNumber
  0x00181020, // SoftwareVersions
  0x00181030, // ProtocolName
  0x00185100, // PatientPosition
  0x00200060, // Laterality
  0x00400244, // PerformedProcedureStepStartDate
  0x00400245, // PerformedProcedureStepStartTime
  0x00400250, // PerformedProcedureStepEndDate
  0x00400251, // PerformedProcedureStepEndTime
  0x00400253, // PerformedProcedureStepID
  0x00400254, // PerformedProcedureStepDescription
  0x00400260, // PerformedProtocolCodeSequence
  0x00400275, // RequestAttributesSequence
  0x00400280, // CommentsOnThePerformedProcedureStep
]); // prettier-ignore

/** Whether an archive may have merged it. Not the UIDs: they say which patient, study and series these are of. */
export function isMergedByArchives(tag: Tag): boolean {
  return GROUPS.has(groupOf(tag)) || TAGS.has(tag);
}
