/** QIDO-RS (PS3.18 10.6) as dcm4chee answers it: by UID, in pages of at most 1,000, nothing found → 204. */
import type { Tag } from '../../core/dicom/data-set.ts';
import { tagOf } from '../../core/dicom/dictionary.ts';
import { emptyAnswer, errorMessage, textAnswer, type Answer } from './answer.ts';
import type { IndexedInstance, IndexedStudy, InstanceStore, Selection } from './instance-store.ts';
import { jsonElement, jsonTag, stringifyDataSet, type JsonDataSet, type JsonElement } from './to-dicom-json.ts';

const MAX_PAGE = 1000;
const CREATOR = 'DCM4CHEE Archive 5';
const CONTROL = new Set(['limit', 'offset', 'includefield', 'includedefaults', 'fuzzymatching', 'orderby']);

export interface QidoContext {
  readonly store: InstanceStore;
  /** The address below which /studies lies. */
  readonly rs: string;
  /** Of the archive. */
  readonly aet: string;
  readonly query: URLSearchParams;
  /** What was stored later is not listed yet. */
  readonly listedUntil: Date;
  /** From the path. */
  readonly studyInstanceUID?: string;
}

const UID_KEYS: ReadonlyMap<string, keyof Selection> = new Map([
  ['0020000D', 'studyInstanceUIDs'],
  ['0020000E', 'seriesInstanceUIDs'],
  ['00080018', 'sopInstanceUIDs'],
]);

/** A keyword or eight hex digits. */
function attributeTag(name: string): Tag | undefined {
  return /^[0-9A-F]{8}$/i.test(name) ? Number.parseInt(name, 16) : tagOf(name);
}

/** Undefined where a parameter is none that this archive knows: dcm4chee answers 400. */
function selectionOf({ query, studyInstanceUID }: QidoContext): Selection | undefined {
  const selection: { -readonly [Key in keyof Selection]: Selection[Key] } =
    studyInstanceUID === undefined ? {} : { studyInstanceUIDs: [studyInstanceUID] };
  for (const [name, value] of query) {
    if (CONTROL.has(name)) continue;
    const tag = attributeTag(name);
    const key = tag === undefined ? undefined : UID_KEYS.get(jsonTag(tag));
    if (key === undefined) return undefined;
    selection[key] = value.split(/[,\\]/);
  }
  return selection;
}

function pageOf(query: URLSearchParams): { readonly offset: number; readonly limit: number } {
  const number = (name: string, otherwise: number): number => {
    const text = query.get(name) ?? '';
    return /^\d{1,9}$/.test(text) ? Number(text) : otherwise;
  };
  return { offset: number('offset', 0), limit: Math.min(MAX_PAGE, number('limit', MAX_PAGE)) };
}

function answer(dataSets: readonly JsonDataSet[]): Answer {
  if (dataSets.length === 0) return { status: 204, headers: { 'Cache-Control': 'no-cache' } };
  return {
    status: 200,
    headers: { 'Cache-Control': 'no-cache', 'Content-Type': 'application/dicom+json' },
    body: `[${dataSets.map(stringifyDataSet).join(',')}]`,
  };
}

const UNKNOWN_PARAMETER = errorMessage(400, 'Unsupported query parameter');

export function findInstances(context: QidoContext): Answer {
  const selection = selectionOf(context);
  if (selection === undefined) return UNKNOWN_PARAMETER;
  const all = context.query.getAll('includefield').includes('all');
  return answer(
    context.store
      .instances(selection, pageOf(context.query))
      .filter(({ createdAt }) => createdAt <= context.listedUntil)
      .map((instance) => instanceDataSet(instance, context, all)),
  );
}

export function findStudies(context: QidoContext): Answer {
  const selection = selectionOf(context);
  if (selection === undefined) return UNKNOWN_PARAMETER;
  return answer(context.store.studies(selection, pageOf(context.query)).map((study) => studyDataSet(study, context)));
}

export function countInstances(context: QidoContext, acceptsJson: boolean): Answer {
  if (!acceptsJson) return emptyAnswer(406);
  const selection = selectionOf(context);
  if (selection === undefined) return UNKNOWN_PARAMETER;
  return textAnswer(200, 'application/json', JSON.stringify({ count: context.store.count(selection) }));
}

function inTagOrder(entries: readonly (readonly [string, JsonElement])[]): JsonDataSet {
  return new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** dcm4chee answers for a series; the last one only where the question includes it. */
const SERIES_ATTRIBUTES: ReadonlySet<string> = new Set([
  '00080005', '00080060', '0008103E', '0020000D', '0020000E', '00200011', '00400244', '00400245', '00400275',
]); // prettier-ignore
const INSTITUTION_NAME = '00080080';

export function findSeries(context: QidoContext): Answer {
  const selection = selectionOf(context);
  if (selection === undefined) return UNKNOWN_PARAMETER;
  const included = context.query.getAll('includefield').flatMap((value) => value.split(','));
  const institution = included.some((field) => field === 'all' || field === INSTITUTION_NAME || field === 'InstitutionName');
  return answer(
    context.store.series(selection, pageOf(context.query)).map((first) => seriesDataSet(first, context, institution)),
  );
}

function seriesDataSet(first: IndexedInstance, { rs, aet }: QidoContext, institution: boolean): JsonDataSet {
  return inTagOrder([
    ...first.attributes.filter(([tag]) => SERIES_ATTRIBUTES.has(tag) || (institution && tag === INSTITUTION_NAME)),
    ['00080054', jsonElement('AE', [aet])],
    ['00080056', jsonElement('CS', ['ONLINE'])],
    ['00081190', jsonElement('UR', [`${rs}/studies/${first.studyInstanceUID}/series/${first.seriesInstanceUID}`])],
    ['00201209', jsonElement('IS', [String(first.seriesSize)])],
  ]);
}

function studyDataSet(study: IndexedStudy, { rs, aet }: QidoContext): JsonDataSet {
  return inTagOrder([
    ...study.attributes.filter(([tag]) => tag !== INSTITUTION_NAME),
    ['00080054', jsonElement('AE', [aet])],
    ['00080056', jsonElement('CS', ['ONLINE'])],
    ['00080061', jsonElement('CS', study.modalities)],
    ['00081190', jsonElement('UR', [`${rs}/studies/${study.studyInstanceUID}`])],
    ['00201206', jsonElement('IS', [String(study.seriesCount)])],
    ['00201208', jsonElement('IS', [String(study.instanceCount)])],
  ]);
}

function instanceDataSet(instance: IndexedInstance, { rs, aet }: QidoContext, all: boolean): JsonDataSet {
  const { studyInstanceUID, seriesInstanceUID, sopInstanceUID, transferSyntaxUID } = instance;
  const url = `${rs}/studies/${studyInstanceUID}/series/${seriesInstanceUID}/instances/${sopInstanceUID}`;
  return inTagOrder([
    ...instance.attributes.filter(([tag]) => tag !== INSTITUTION_NAME),
    ['00080054', jsonElement('AE', [aet])],
    ['00080056', jsonElement('CS', ['ONLINE'])],
    ['00081190', jsonElement('UR', [url])],
    ['00083002', jsonElement('UI', [transferSyntaxUID])],
    ['00201209', jsonElement('IS', [String(instance.seriesSize)])],
    ...(all ? privateBlock(instance) : []),
  ]);
}

/** What dcm4chee tells of the stored file, in its private block (contract, section 9). */
function privateBlock({
  createdAt,
  transferSyntaxUID,
  size,
  digest,
  ...names
}: IndexedInstance): readonly (readonly [string, JsonElement])[] {
  const created = createdAt
    .toISOString()
    .replaceAll(/[-:TZ]/g, '')
    .slice(0, 18);
  return [
    ['77770010', jsonElement('LO', [CREATOR])],
    ['77771010', jsonElement('DT', [created])],
    ['77771011', jsonElement('DT', [created])],
    ['77771050', jsonElement('LO', ['fs1'])],
    ['77771051', jsonElement('LO', [[names.studyInstanceUID, names.seriesInstanceUID, names.sopInstanceUID].join('/')])],
    ['77771052', jsonElement('UI', [transferSyntaxUID])],
    ['77771053', jsonElement('UL', [size])],
    ['77771054', jsonElement('LO', [digest])],
  ];
}
