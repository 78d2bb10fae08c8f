/** Which of the archive's services a request is for, in the order in which dcm4chee looks at it: path, method, media types, AE title. */
import { emptyAnswer, errorMessage, type Answer } from './answer.ts';
import type { Faults, Service } from './faults.ts';
import type { InstanceStore } from './instance-store.ts';
import { negotiate, parseAccept, parseMediaType } from './media-type.ts';
import { countInstances, findInstances, findSeries, findStudies } from './qido-handler.ts';
import { handleStow } from './stow-handler.ts';
import { verifyStorage } from './verification-handler.ts';
import { retrieve } from './wado-handler.ts';
import { findWorklistItems } from './worklist-handler.ts';

export interface ArchiveRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly host: string;
  readonly contentType: string;
  readonly accept: string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  readonly arrived: (sopInstanceUID: string) => void;
}

export interface ArchiveServices {
  readonly store: InstanceStore;
  readonly faults: Faults;
  /** AE titles that exist; absent: all. */
  readonly aets: readonly string[] | undefined;
}

interface Target {
  readonly aet: string;
  readonly service: Service;
  readonly resource: 'store' | 'studies' | 'series' | 'instances' | 'count' | 'files' | 'verification' | 'mwlitems';
  readonly study?: string;
  readonly series?: string;
  readonly instance?: string;
  readonly query: URLSearchParams;
}

const STOW_TYPES = ['application/dicom+xml', 'application/dicom+json'];
const QUERY_TYPES = ['application/dicom+json', 'application/json'];

const FIND = { studies: findStudies, series: findSeries, instances: findInstances } as const;

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Undefined: no such resource. `wrong-method`: the resource exists. */
function targetOf(method: string, url: string): Target | 'wrong-method' | undefined {
  const { pathname, searchParams: query } = new URL(url, 'http://archive');
  const [root, aets, aet = '', rs, ...rest] = pathname.split('/').slice(1).map(decode);
  if (root !== 'dcm4chee-arc' || aets !== 'aets' || rs !== 'rs') return undefined;
  const [first, study, second, series, third, instance] = rest;
  const from = { aet, query, ...(study === undefined ? {} : { study }) };
  if (method === 'POST') {
    const verified = rest.at(-1) === 'stgver' ? targetOf('GET', pathname.replace(/\/stgver$/, '')) : undefined;
    if (typeof verified === 'object' && verified.resource === 'files') return { ...verified, query, resource: 'verification' };
    if (first === 'studies' && rest.length <= 2) return { ...from, service: 'stow', resource: 'store' };
    return first === 'studies' || first === 'instances' ? 'wrong-method' : undefined;
  }
  if (method !== 'GET') return first === 'studies' || first === 'instances' ? 'wrong-method' : undefined;
  const shape = rest.map((segment, index) => (index % 2 === 0 ? segment : '*')).join('/');
  if (shape === 'studies') return { aet, query, service: 'qido', resource: 'studies' };
  if (shape === 'mwlitems') return { aet, query, service: 'qido', resource: 'mwlitems' };
  if (shape === 'instances') return { aet, query, service: 'qido', resource: 'instances' };
  if (first === 'instances' && study === 'count' && rest.length === 2) return { aet, query, service: 'qido', resource: 'count' };
  if (shape === 'studies/*/series') return { ...from, service: 'qido', resource: 'series' };
  if (shape === 'studies/*/instances') return { ...from, service: 'qido', resource: 'instances' };
  if (shape === 'studies/*/instances/*' && series === 'count') return { ...from, service: 'qido', resource: 'count' };
  if (shape === 'studies/*') return { ...from, service: 'wado', resource: 'files' };
  if (shape === 'studies/*/series/*' && series !== undefined) return { ...from, service: 'wado', resource: 'files', series };
  if (second === 'series' && third === 'instances' && series !== undefined && instance !== undefined && rest.length === 6) {
    return { ...from, service: 'wado', resource: 'files', series, instance };
  }
  return undefined;
}

export function serviceOf(method: string, url: string): Service {
  const target = targetOf(method, url);
  return typeof target === 'object' ? target.service : method === 'POST' ? 'stow' : 'qido';
}

/** Whether the answer is known from the head alone; then the body need not be sent (`Expect: 100-continue`). */
export function refuseHead(
  { method, url, contentType, accept }: Pick<ArchiveRequest, 'method' | 'url' | 'contentType' | 'accept'>,
  aets: readonly string[] | undefined,
): Answer | undefined {
  const target = targetOf(method, url);
  if (target === undefined) return emptyAnswer(404);
  if (target === 'wrong-method') return emptyAnswer(405, { Allow: 'HEAD, GET, OPTIONS' });
  if (target.resource === 'store') {
    if (parseMediaType(contentType).name !== 'multipart/related') return emptyAnswer(415);
    if (negotiate(accept, STOW_TYPES) === undefined) return emptyAnswer(406);
  }
  if (aets !== undefined && !aets.includes(target.aet)) return errorMessage(404, `No such Application Entity: ${target.aet}`);
  return undefined;
}

export async function answerRequest(request: ArchiveRequest, { store, faults, aets }: ArchiveServices): Promise<Answer> {
  const refused = refuseHead(request, aets);
  const target = targetOf(request.method, request.url);
  if (refused !== undefined || target === undefined || target === 'wrong-method') return refused ?? emptyAnswer(404);
  const { aet, query, study, series, instance } = target;
  const rs = `http://${request.host}/dcm4chee-arc/aets/${encodeURIComponent(aet)}/rs`;
  const listed = { listedUntil: faults.listedUntil() };
  const context = { store, rs, aet, query, ...listed, ...(study === undefined ? {} : { studyInstanceUID: study }) };
  if (target.service === 'qido' && faults.takeHidden()) return { status: 204 };
  const selected = {
    ...(study === undefined ? {} : { studyInstanceUIDs: [study] }),
    ...(series === undefined ? {} : { seriesInstanceUIDs: [series] }),
    ...(instance === undefined ? {} : { sopInstanceUIDs: [instance] }),
  };
  switch (target.resource) {
    case 'store': {
      const answerType = negotiate(request.accept, STOW_TYPES) ?? '';
      return handleStow({ ...request, answerType, rs, studyInUrl: study }, store, faults);
    }
    case 'count':
      return countInstances(
        context,
        parseAccept(request.accept).some(({ name }) => name === '*/*' || name === 'application/json'),
      );
    case 'studies':
    case 'series':
    case 'instances':
      if (negotiate(request.accept, QUERY_TYPES) === undefined) return emptyAnswer(406);
      return FIND[target.resource](context);
    case 'mwlitems':
      if (negotiate(request.accept, QUERY_TYPES) === undefined) return emptyAnswer(406);
      return findWorklistItems(store.folder, aet, query);
    case 'files':
      return retrieve(selected, request.accept, store, faults.merged);
    case 'verification':
      return verifyStorage(selected, store);
  }
}
