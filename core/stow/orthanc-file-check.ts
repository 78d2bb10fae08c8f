/** Orthanc's check of its storage: it keeps the bytes as they were sent, tells their MD5, and reads a file again where it is asked to. */
import { z } from 'zod';
import type { DicomWeb } from './dicomweb.ts';
import type { FileCheck, FileQuestion, FileState } from './file-check.ts';
import { findRestBase, parseJson } from './orthanc-rest.ts';

const MAX_BYTES = 64 * 1024;

/** Of `/tools/lookup`: the resources that a UID may be of. */
const lookupSchema = z.array(z.object({ ID: z.string().regex(/^[0-9a-f-]{44}$/), Type: z.string() }));

/** Any archive: one that is no Orthanc, or whose REST API is not reachable, tells nothing. */
export function createOrthancFileCheck(web: DicomWeb): FileCheck {
  let base: Promise<string | undefined> | undefined;

  async function idOf(rest: string, uid: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const answer = await web.postPath(`${rest}/tools/lookup`, {
      accept: 'application/json',
      text: uid,
      maxBytes: MAX_BYTES,
      signal,
    });
    const found = answer.status === 200 ? lookupSchema.safeParse(parseJson(answer.body)) : undefined;
    const instances = found?.success === true ? found.data.filter(({ Type }) => Type === 'Instance') : [];
    // The same UID under two patients: which one is meant is not known.
    return instances.length === 1 ? instances[0]?.ID : undefined;
  }

  async function stateOf(rest: string, question: FileQuestion, signal: AbortSignal | undefined): Promise<FileState> {
    const id = await idOf(rest, question.sopInstanceUID, signal);
    if (id === undefined) return 'untold';
    const attachment = `${rest}/instances/${id}/attachments/dicom`;
    const told = await web.getPath(`${attachment}/md5`, { accept: 'text/plain', maxBytes: MAX_BYTES, signal });
    const md5 = Buffer.from(told.body).toString('latin1').trim().toLowerCase();
    if (told.status !== 200 || !question.expected.includes(md5)) return 'untold';
    const verified = await web.postPath(`${attachment}/verify-md5`, { accept: 'application/json', maxBytes: MAX_BYTES, signal });
    if (verified.status === 200) return 'intact';
    // 404: it has no such service; what a file that cannot be read leads to depends on its version.
    return verified.status === 404 || verified.status === 403 ? 'untold' : 'damaged';
  }

  return {
    async check(questions, signal) {
      base ??= findRestBase(web, signal).catch((error: unknown) => {
        base = undefined;
        throw error;
      });
      const rest = await base;
      if (rest === undefined) return new Map();
      const states = new Map<string, FileState>();
      for (const question of questions) states.set(question.sopInstanceUID, await stateOf(rest, question, signal));
      return states;
    },
  };
}
