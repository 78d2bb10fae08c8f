/** The requests behind the recorded answers: parts built anew with the UIDs that the answer names, framed as its comment says. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildDicom, imageElements, type BuiltElement } from '../support/build-dicom.ts';
import type { ReferenceAnswer } from './archive-answers.ts';

const CORPUS = path.resolve(import.meta.dirname, '../../../shared/corpus');
const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7';

const STUDY = 0x0020000d;
const SERIES = 0x0020000e;
const SOP = 0x00080018;
const SOP_CLASS = 0x00080016;
const PATIENT_ID = 0x00100020;
const PATIENT_NAME = 0x00100010;

interface Uids {
  readonly study?: string;
  readonly series?: string;
  readonly sop?: string;
  readonly sopClass?: string;
}

const FILLERS: Required<Uids> = { study: '1.2.3.4.50', series: '1.2.3.4.51', sop: '1.2.3.4.52', sopClass: SECONDARY_CAPTURE };

function build(
  uids: Uids,
  { without = [], extra = [] }: { without?: readonly number[]; extra?: readonly BuiltElement[] } = {},
): Buffer {
  const { study, series, sop, sopClass } = { ...FILLERS, ...uids };
  const elements = imageElements({ studyUID: study, seriesUID: series, sopUID: sop, sopClassUID: sopClass, extra });
  return Buffer.from(buildDicom({ elements: elements.filter(({ tag }) => !without.includes(tag)) }));
}

/** Of the items of the answer, JSON or XML: the stored ones from their addresses, the failed ones from their UIDs. */
function storedIn({ body }: ReferenceAnswer): readonly Uids[] {
  const classes = [
    ...body.matchAll(/"00081150":\{"vr":"UI","Value":\["([^"]+)"\]\},"00081155":\{"vr":"UI","Value":\["([^"]+)"\]\},"00081190"/g),
  ];
  return [...body.matchAll(/rs\/studies\/([^"<]*)\/series\/([^"</]+)\/instances\/([^"</]+)/g)].map(
    ([, study = '', series = '', sop = '']) => ({
      ...(study === '' ? {} : { study }),
      series,
      sop,
      sopClass: classes.find((match) => match[2] === sop)?.[1] ?? SECONDARY_CAPTURE,
    }),
  );
}

function failedIn({ body }: ReferenceAnswer): Uids {
  const [, sop = ''] = /"00081155":\{"vr":"UI","Value":\["([^"]+)"\]\},"00081197"/.exec(body) ?? [];
  return sop === '' ? {} : { sop };
}

interface PartOptions {
  readonly headers?: string;
  readonly lineBreak?: string;
}

const HEADERS = 'Content-Type: application/dicom\r\n';

function part(content: Uint8Array, { headers = HEADERS, lineBreak = '\r\n' }: PartOptions = {}): Buffer {
  const text = headers.replaceAll('\r\n', lineBreak);
  return Buffer.concat([Buffer.from(`--myboundary${lineBreak}${text}${lineBreak}`), content, Buffer.from(lineBreak)]);
}

const CLOSE = Buffer.from('--myboundary--\r\n');

function multipart(contents: readonly Uint8Array[], options?: PartOptions): Buffer {
  return Buffer.concat([...contents.map((content) => part(content, options)), CLOSE]);
}

const TEXT = Buffer.from('This is not DICOM. '.repeat(40));
const fresh = (sop: string): Uids => ({ study: `1.2.3.4.${sop}`, sop: `1.2.3.4.${sop}.1` });

/** By name of the answer; the rest has one sound part for each instance that the answer lists as stored. */
const SPECIAL: Readonly<Record<string, (answer: ReferenceAnswer) => Buffer>> = {
  '01-new-instance': () => multipart([corpusFile('MR-SIEMENS-DICOM-WithOverlays.dcm')]),
  '15-second-instance-other-patient': (answer) =>
    multipart([
      build(
        { ...failedIn(answer), study: /uid=([\d.]+)\]/.exec(answer.headers.get('warning') ?? '')?.[1] ?? '' },
        {
          extra: [
            { tag: PATIENT_ID, vr: 'LO', value: 'ARC-A3' },
            { tag: PATIENT_NAME, vr: 'PN', value: 'Other^Name' },
          ],
        },
      ),
    ]),
  '10-first': (answer) =>
    multipart(storedIn(answer).map((uids) => build(uids, { extra: [{ tag: PATIENT_ID, vr: 'LO', value: 'ARC-A' }] }))),
  '20-missing-study-uid': (answer) => multipart([build(failedIn(answer), { without: [STUDY] })]),
  '20b-empty-study-uid': (answer) => multipart([build({ ...failedIn(answer), study: '' })]),
  '20c-missing-series-uid': (answer) => multipart([build(failedIn(answer), { without: [SERIES] })]),
  '20d-missing-sop-uid': () => multipart([build({}, { without: [SOP] })]),
  '20e-sop-uid-differs-from-meta': (answer) => {
    const [uids = {}] = storedIn(answer);
    const file = build({ ...uids, sop: '9.8.7' });
    file.write('1.2.3', file.lastIndexOf('9.8.7'), 'latin1');
    return multipart([file]);
  },
  '20f-missing-sop-class': (answer) => multipart([build(failedIn(answer), { without: [SOP_CLASS] })]),
  '20g-invalid-study-uid': (answer) =>
    multipart(storedIn(answer).map((uids) => build({ ...uids, study: '1.2.abc.not/a uid'.padEnd(64) }))),
  '21-missing-patient-id': (answer) => multipart(storedIn(answer).map((uids) => build(uids, { without: [PATIENT_ID] }))),
  '21b-empty-patient-id': (answer) =>
    multipart(storedIn(answer).map((uids) => build(uids, { extra: [{ tag: PATIENT_ID, vr: 'LO', value: '' }] }))),
  '21c-missing-patient-id-and-name': (answer) =>
    multipart(storedIn(answer).map((uids) => build(uids, { without: [PATIENT_ID, PATIENT_NAME] }))),
  '30-not-dicom': () => multipart([TEXT]),
  '30b-not-dicom-short': () => multipart([Buffer.from('abc')]),
  '30c-empty-part': () => multipart([Buffer.alloc(0)]),
  '30d-truncated': (answer) => {
    const file = build(failedIn(answer));
    return multipart([file.subarray(0, file.length - 100)]);
  },
  '30e-no-preamble': (answer) => multipart(storedIn(answer).map((uids) => build(uids).subarray(132))),
  '31-one-good-one-notdicom': (answer) => multipart([...storedIn(answer).map((uids) => build(uids)), TEXT]),
  '31b-notdicom-first-then-good': (answer) => multipart([TEXT, ...storedIn(answer).map((uids) => build(uids))]),
  '31c-good-plus-missing-study-uid': (answer) =>
    multipart([...storedIn(answer).map((uids) => build(uids)), build(failedIn(answer), { without: [STUDY] })]),
  '32-no-pixel-data': (answer) => multipart(storedIn(answer).map((uids) => build(uids, { without: [0x7fe00010] }))),
  '40-ct-json': () => build(fresh('40')),
  '40b-ct-dicom-bare': () => build(fresh('40')),
  '40k-part-octet': () => multipart([build(fresh('40'))], { headers: 'Content-Type: application/octet-stream\r\n' }),
  '40l-part-no-ct': () => multipart([build(fresh('40'))], { headers: '' }),
  '40m-part-ct-tsuid': (answer) =>
    multipart(
      storedIn(answer).map((uids) => build(uids)),
      { headers: 'Content-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.1\r\n' },
    ),
  '40n-part-clen': (answer) => {
    const [file = Buffer.alloc(0)] = storedIn(answer).map((uids) => build(uids));
    return multipart([file], { headers: `${HEADERS}Content-Length: ${String(file.length)}\r\n` });
  },
  '40o-no-close-boundary': () => part(build(fresh('40'))),
  '40p-lf-only': () => Buffer.concat([part(build(fresh('40')), { lineBreak: '\n' }), Buffer.from('--myboundary--\n')]),
  '40q-wrong-boundary': () =>
    Buffer.from(
      multipart([build(fresh('40'))])
        .toString('latin1')
        .replaceAll('myboundary', 'another'),
      'latin1',
    ),
  '40r-preamble-epilogue': (answer) =>
    Buffer.concat([
      Buffer.from('preamble\r\n'),
      multipart(storedIn(answer).map((uids) => build(uids))),
      Buffer.from('epilogue\r\n'),
    ]),
  '40s-boundary-in-data': (answer) =>
    multipart(
      storedIn(answer).map((uids) => build(uids, { extra: [{ tag: 0x00204000, vr: 'LT', value: 'see --myboundary here' }] })),
    ),
  '40t-second-part-cut': () => Buffer.concat([part(build(fresh('41'))), part(build(fresh('42'))).subarray(0, 400)]),
  '51b-post-other-study': (answer) => multipart([build(failedIn(answer))]),
  '51c-post-mixed': (answer) =>
    multipart([...storedIn(answer).map((uids) => build(uids)), build({ ...failedIn(answer), ...{ study: '1.2.3.4.5' } })]),
  '51d-post-invalid-uid': (answer) => multipart([build(failedIn(answer))]),
  '52-zero-parts': () => CLOSE,
  '52b-empty-body': () => Buffer.alloc(0),
  '52c-only-open-boundary': () => Buffer.from('--myboundary\r\n'),
  '55-clen-too-short': () => multipart([build(fresh('55'))]).subarray(0, -200),
  '56-gzip': () => gzipSync(multipart([build(fresh('56'))])),
};

function corpusFile(name: string): Buffer {
  return readFileSync(path.join(CORPUS, name));
}

export function corpusAvailable(): boolean {
  return existsSync(CORPUS);
}

/** The body of the request that was answered so. */
export function replayedBody(answer: ReferenceAnswer): Buffer {
  const special = SPECIAL[answer.name];
  if (special !== undefined) return special(answer);
  if (answer.name.startsWith('70-corpus-')) return multipart([corpusFile(answer.name.slice('70-corpus-'.length))]);
  const stored = storedIn(answer);
  return multipart((stored.length === 0 ? [fresh('99')] : stored).map((uids) => build(uids)));
}

/** Cases that the double leaves out, and why. */
export const NOT_REPLAYED: ReadonlyMap<string, string> = new Map([
  ['57b-as-received-aet', 'an AE title without STOW-RS, which the double does not have'],
  ['70-corpus-OT-PAL-8-face.dcm', 'a data set without file meta information, which storestow never sends'],
]);
