/** Orthanc keeps the bytes as they were sent and tells their MD5 by a REST API of its own, where the same origin serves it. */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { characterSetOf, decodeText } from '../dicom/character-set.ts';
import { valueBytes } from '../dicom/element-value.ts';
import { readLargePart10 } from '../dicom/read-large.ts';
import { SegmentsSource } from '../dicom/segments-source.ts';
import { TAG } from '../dicom/tags.ts';
import { compareDigests, type ArchiveDigest } from './archive-digest.ts';
import type { DicomWeb } from './dicomweb.ts';
import type { OutgoingInstance } from './outcome.ts';

const MAX_BYTES = 64 * 1024;

/** Of `/system`: what every Orthanc answers, and nothing else does. */
const systemSchema = z.object({ ApiVersion: z.number(), DatabaseVersion: z.number(), DicomAet: z.string() });

export interface OrthancIdentity {
  readonly patientID: string;
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
}

/** Orthanc's identifier of an instance: SHA-1 of its four identifiers, in five groups of eight digits. */
export function orthancId({ patientID, studyInstanceUID, seriesInstanceUID, sopInstanceUID }: OrthancIdentity): string {
  const digest = hash('sha1', [patientID, studyInstanceUID, seriesInstanceUID, sopInstanceUID].join('|'), 'hex');
  return digest.match(/.{8}/g)?.join('-') ?? '';
}

/** Where the REST API may lie: beside the DICOMweb plug-in (`/dicom-web/` by default), or at the root. */
export function restBases(stowPath: string): readonly string[] {
  return [...new Set([stowPath.replace(/\/[^/]*\/studies$/, ''), ''])];
}

/** `undefined`: the archive is no Orthanc, or its REST API is not to be had here. Throws `ARCHIVE_UNAVAILABLE` without an answer. */
export async function findRestBase(web: DicomWeb, signal: AbortSignal | undefined): Promise<string | undefined> {
  for (const candidate of restBases(web.path)) {
    const answer = await web.getPath(`${candidate}/system`, { accept: 'application/json', maxBytes: MAX_BYTES, signal });
    if (answer.status === 200 && systemSchema.safeParse(parseJson(answer.body)).success) return candidate;
  }
  return undefined;
}

/** Any archive: one that is no Orthanc is asked for its `/system` once, and tells no digest. */
export function createOrthancDigest(web: DicomWeb): ArchiveDigest {
  let base: Promise<string | undefined> | undefined;

  return {
    async compare(instance, _listed, signal) {
      base ??= findRestBase(web, signal).catch((error: unknown) => {
        base = undefined;
        throw error;
      });
      const found = await base;
      if (found === undefined) return { verdict: 'untold' };
      const id = orthancId({ ...instance, patientID: await patientIDOf(instance) });
      const answer = await web.getPath(`${found}/instances/${id}/attachments/dicom/md5`, {
        accept: 'text/plain',
        maxBytes: MAX_BYTES,
        signal,
      });
      const told = Buffer.from(answer.body).toString('latin1').trim().toLowerCase();
      // Anything else: it has no such instance of this patient, or does not let its digest be asked for.
      if (answer.status !== 200 || !/^[0-9a-f]{32}$/.test(told)) return { verdict: 'untold' };
      return compareDigests(told, instance.md5);
    },
    learn: () => false,
  };
}

export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** As Orthanc has it: in UTF-8, without the spaces around it. */
async function patientIDOf(instance: OutgoingInstance): Promise<string> {
  const { dataSet } = await readLargePart10(new SegmentsSource(instance));
  const element = dataSet.get(TAG.PatientID);
  if (element === undefined) return '';
  return decodeText(valueBytes(dataSet, element), element.vr, characterSetOf(dataSet)).join('\\').trim();
}
