/** The answers of a running dcm4chee, verbatim, from the reference beside the repository: `../shared/reference/answers`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const FOLDER = path.resolve(import.meta.dirname, '../../../shared/reference/answers');

export interface ReferenceAnswer {
  readonly name: string;
  readonly description: string;
  /** First line of the request: method and path. */
  readonly method: string;
  readonly url: string;
  /** Lower-case name → value. */
  readonly requestHeaders: ReadonlyMap<string, string>;
  /** Whether `100 Continue` came first. */
  readonly continued: boolean;
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export function referenceAvailable(): boolean {
  return existsSync(FOLDER);
}

/** Those of one request and one answer; the parallel ones, a summary and a raw keep-alive transcript are of another form. */
export function readReferenceAnswers(): readonly ReferenceAnswer[] {
  if (!referenceAvailable()) return [];
  return readdirSync(FOLDER)
    .filter((name) => !name.startsWith('60-') && !name.startsWith('58-'))
    .sort()
    .map((name) => parse(name.replace(/\.txt$/, ''), readFileSync(path.join(FOLDER, name), 'latin1')));
}

/** Those of another form: several answers to requests at the same time, and one with its chunks as they came. */
export function readFurtherAnswers(): readonly Pick<ReferenceAnswer, 'name' | 'status' | 'headers' | 'body'>[] {
  if (!referenceAvailable()) return [];
  return readdirSync(FOLDER)
    .filter((name) => /^(58|60)-/.test(name) && !name.includes('summary'))
    .sort()
    .flatMap((name) => {
      const text = readFileSync(path.join(FOLDER, name), 'latin1').replaceAll('\r\n', '\n');
      return text
        .split(/^(?=HTTP\/1\.1 )/m)
        .filter((section) => section.startsWith('HTTP/1.1 '))
        .map((section, index) => ({
          name: `${name.replace(/\.txt$/, '')}, answer ${String(index)}`,
          status: Number(section.split(' ')[1]),
          headers: headers(section.slice(0, section.indexOf('\n\n')).split('\n')),
          body: /^\{.*\}$/m.exec(section)?.[0] ?? '',
        }));
    });
}

function parse(name: string, text: string): ReferenceAnswer {
  const normalized = text.replaceAll('\r\n', '\n');
  const [head = '', answer = ''] = normalized.split(/^## answer[^\n]*\n/m);
  const [, requestHead = ''] = head.split(/^## request head\n/m);
  const [requestLine = '', ...requestLines] = requestHead.split('\n');
  const [method = '', url = ''] = requestLine.split(' ');
  const blank = answer.indexOf('\n\n');
  const [statusLine = '', ...headerLines] = answer.slice(0, blank).split('\n');
  return {
    name,
    description: head.split('\n')[0]?.replace(/^# /, '') ?? '',
    method,
    url,
    requestHeaders: headers(requestLines),
    continued: head.includes('\nHTTP/1.1 100 Continue\n'),
    status: Number(statusLine.split(' ')[1]),
    headers: headers(headerLines),
    body: answer.slice(blank + 2).trim(),
  };
}

function headers(lines: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    lines.flatMap((line) => {
      const colon = line.indexOf(': ');
      return colon === -1 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 2)] as const];
    }),
  );
}
