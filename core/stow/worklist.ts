/**
 * A Modality Worklist asked as dcm4chee has it: GET `…/aets/WORKLIST/rs/mwlitems`, like QIDO-RS; nothing found is 204. What it
 * answers is hostile: only items that have what was asked for count, and only values that are what the dictionary says.
 */
import type { ArchiveConfig, WorklistConfig } from '../config/schema.ts';
import type { VR } from '../dicom/data-set.ts';
import { tagOf, vrOf } from '../dicom/dictionary.ts';
import { StorestowError } from '../errors.ts';
import { retry } from '../retry.ts';
import { mayPass } from './connection-failure.ts';
import { items as itemsOf, parseDataSets, values as valuesOf, vrIn, type JsonDataSet } from './dicom-json.ts';
import { archiveOrigin } from './archive-url.ts';
import { openConnection, type Connection } from './dicomweb.ts';
import type { HttpAnswer } from './http.ts';

/** By which items are found. */
export type WorklistKey =
  | { readonly match: 'accession'; readonly accessionNumber: string }
  | { readonly match: 'patientAndDate'; readonly patientID: string; readonly date: string };

/** By keyword: values as text, one at least. */
export type WorklistValues = Readonly<Record<string, readonly string[]>>;

export interface Worklist {
  /** Of each item that matches exactly, the attributes. Throws `WORKLIST_UNAVAILABLE` (retryable), `WORKLIST_INVALID`. */
  find(key: WorklistKey): Promise<readonly WorklistValues[]>;
}

const ACCESSION_NUMBER = '00080050';
const PATIENT_ID = '00100020';
const SCHEDULED_PROCEDURE_STEP_SEQUENCE = '00400100';
const SCHEDULED_PROCEDURE_STEP_START_DATE = '00400002';

const MAX_BYTES = 8 * 1024 * 1024;
const RETRY = { retries: 2, firstDelay: 200, maxDelay: 1000, again: mayPass };
/** Of one attribute. */
const MAX_VALUES = 100;

/** Throws `CONFIG_INVALID` for an address that is none, or has credentials, a query or a fragment. */
export function worklistAddress(url: string): { readonly origin: string; readonly path: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isPlain =
    parsed !== undefined && /^https?:$/.test(parsed.protocol) && `${parsed.origin}${parsed.pathname}` === parsed.href;
  if (isPlain) return { origin: parsed.origin, path: parsed.pathname };
  throw new StorestowError(
    'CONFIG_INVALID',
    'coerce.worklist.url is not an http or https address without credentials and query; give https://HOST/…/aets/WORKLIST/rs/mwlitems',
  );
}

/** Seconds for an answer: instances wait for it, and for the next one those that came behind them. */
const TIMEOUT = 20;

/**
 * | the worklist's origin (scheme, host, port) | `coerce.worklist.auth` | it is sent                                                       |
 * |--------------------------------------------|------------------------|------------------------------------------------------------------|
 * | the archive's                              | any                    | the archive's credentials and client certificate                 |
 * | another                                    | `archive`              | the same                                                         |
 * | another                                    | not set                | neither; the authorities of `archive.tls` are trusted in any case |
 *
 * Throws `CONFIG_INVALID`.
 */
export function openWorklistConnection({ url, auth }: Pick<WorklistConfig, 'url' | 'auth'>, archive: ArchiveConfig): Connection {
  const { origin } = worklistAddress(url);
  const mayKnow = auth === 'archive' || origin === archiveOrigin(archive.url);
  const config = mayKnow ? archive : withoutCredentials(archive);
  return openConnection({ ...config, timeout: Math.min(archive.timeout, TIMEOUT) }, origin);
}

function withoutCredentials({ tls, ...archive }: ArchiveConfig): ArchiveConfig {
  return { ...archive, auth: { kind: 'none' }, ...(tls?.ca === undefined ? {} : { tls: { ca: tls.ca } }) };
}

/** `attributes` are keywords. The connection is one to the address's origin. Throws `CONFIG_INVALID` for the address. */
export function createWorklist(url: string, attributes: readonly string[], { http }: Pick<Connection, 'http'>): Worklist {
  const { path } = worklistAddress(url);

  function unavailable(what: string, cause?: unknown): StorestowError {
    return new StorestowError('WORKLIST_UNAVAILABLE', `the worklist ${what}`, { object: url, cause });
  }

  async function ask(key: WorklistKey): Promise<HttpAnswer> {
    const result = await http.request({
      method: 'GET',
      path: `${path}?${queryOf(key)}&includefield=all`,
      headers: { accept: 'application/dicom+json' },
      maxBytes: MAX_BYTES,
    });
    if (result.kind === 'failed') {
      throw unavailable('does not answer; check that it runs and that coerce.worklist.url is right', result.cause);
    }
    if (result.status !== 200 && result.status !== 204) throw unavailable(`answered ${result.status}${adviceFor(result.status)}`);
    if (!result.complete) throw unavailable('gave an answer that was cut or too long');
    return result;
  }

  return {
    async find(key) {
      const answer = await retry(async () => ask(key), RETRY);
      if (answer.status === 204) return [];
      const dataSets = parseDataSets(answer.body);
      if (dataSets === undefined) throw unavailable('answered what is not DICOM JSON (PS3.18 F); check coerce.worklist.url');
      return dataSets.filter((dataSet) => hasKey(dataSet, key)).map((dataSet) => valuesIn(dataSet, attributes));
    },
  };
}

function adviceFor(status: number): string {
  if (status === 401 || status === 403)
    return ': it does not accept the credentials; correct archive.auth, or set coerce.worklist.auth to "archive" where another server may have them';
  if (status === 404) return ': its AE title has no worklist; correct coerce.worklist.url (dcm4chee: WORKLIST)';
  return '; its log may say why';
}

function queryOf(key: WorklistKey): string {
  if (key.match === 'accession') return `AccessionNumber=${encodeURIComponent(key.accessionNumber)}`;
  const date = `${SCHEDULED_PROCEDURE_STEP_SEQUENCE}.${SCHEDULED_PROCEDURE_STEP_START_DATE}=${encodeURIComponent(key.date)}`;
  return `PatientID=${encodeURIComponent(key.patientID)}&${date}`;
}

/** An archive may match without regard to case, or pass over a key that it does not know. */
function hasKey(dataSet: JsonDataSet, key: WorklistKey): boolean {
  if (key.match === 'accession') return isOnly(dataSet, ACCESSION_NUMBER, key.accessionNumber);
  const steps = itemsOf(dataSet, SCHEDULED_PROCEDURE_STEP_SEQUENCE);
  return (
    isOnly(dataSet, PATIENT_ID, key.patientID) &&
    steps.some((step) => isOnly(step, SCHEDULED_PROCEDURE_STEP_START_DATE, key.date))
  );
}

function isOnly(dataSet: JsonDataSet, tag: string, wanted: string): boolean {
  const found = valuesOf(dataSet, tag);
  return found.length === 1 && typeof found[0] === 'string' && found[0].trim() === wanted;
}

function valuesIn(dataSet: JsonDataSet, attributes: readonly string[]): WorklistValues {
  return Object.fromEntries(
    attributes.flatMap((keyword) => {
      const tag = tagOf(keyword);
      const vr = tag === undefined ? undefined : vrOf(tag);
      if (tag === undefined || vr === undefined) return [];
      const texts = textsOf(dataSet, tag.toString(16).toUpperCase().padStart(8, '0'), vr, keyword);
      return texts.length === 0 ? [] : [[keyword, texts] as const];
    }),
  );
}

/** None of an attribute without a value. Throws `WORKLIST_INVALID`. */
function textsOf(dataSet: JsonDataSet, tag: string, vr: VR, keyword: string): readonly string[] {
  const found = valuesOf(dataSet, tag);
  if (found.length === 0) return [];
  if (vrIn(dataSet, tag) !== vr) throw invalid(keyword, `has not the value representation ${vr}`);
  if (found.length > MAX_VALUES) throw invalid(keyword, `has more than ${MAX_VALUES} values`);
  const texts = found.map((value) => (vr === 'PN' ? nameText(value) : plainText(value)));
  const known = texts.filter((text) => text !== undefined);
  if (known.length < texts.length) throw invalid(keyword, `has a value that is none of ${vr} (PS3.18 F.2.2)`);
  return known.every((text) => text === '') ? [] : known;
}

/** PS3.18 F.2.5: null is an empty value among others. */
function plainText(value: unknown): string | undefined {
  if (value === null) return '';
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : undefined;
  return typeof value === 'string' ? value : undefined;
}

/** PS3.18 F.2.2: an object with the groups of the name. */
function nameText(value: unknown): string | undefined {
  if (value === null) return '';
  if (typeof value !== 'object' || Array.isArray(value)) return undefined;
  const groups: unknown[] = ['Alphabetic', 'Ideographic', 'Phonetic'].map((group) =>
    Object.hasOwn(value, group) ? (value as Readonly<Record<string, unknown>>)[group] : '',
  );
  const texts = groups.filter((group) => typeof group === 'string');
  if (texts.length < groups.length || texts.some((text) => text.includes('='))) return undefined;
  return texts.join('=').replace(/=+$/, '');
}

function invalid(keyword: string, what: string): StorestowError {
  return new StorestowError('WORKLIST_INVALID', `the worklist item's ${keyword} ${what}; correct the worklist, then redrive`);
}
