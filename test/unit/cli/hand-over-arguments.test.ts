import { describe, expect, it } from 'vitest';
import { handoverOf } from '../../../cli/hand-over-arguments.ts';
import { uploadCommand } from '../../../cli/upload.ts';
import { parseWord, serializeWord } from '../../../local-uploader/handover-word.ts';

const CWD = '/at';
const URL = 'https://pacs/dcm4chee-arc/aets/%@/rs/studies';

/** What is asked for, as it comes over the socket. */
function asked(args: readonly string[], environment?: string): object | undefined {
  const handover = handoverOf(args, CWD, environment);
  if (handover === undefined) return undefined;
  const { cwd, data, ...word } = parseWord(serializeWord(handover.word)) ?? expect.fail('no word');
  expect(cwd).toBe(CWD);
  return { spool: handover.spool, ...word, ...(data === 'storestow-data' ? {} : { data }) };
}

describe('handoverOf', () => {
  it.each<[string, object]>([
    ['--all --spool /spool', { spool: '/spool' }],
    ['--all --spool=/spool --syslog --log-level debug', { spool: '/spool' }],
    ['--all', { spool: '/at/storestow-data/spool' }],
    ['--all --spool spool', { spool: '/at/spool' }],
    ['--all --data /data', { spool: '/data/spool', data: '/data' }],
    [
      '--all --spool /spool --calling-aet CT1 --calling-ip 10.0.0.1',
      { spool: '/spool', callingAET: 'CT1', callingIP: '10.0.0.1' },
    ],
    [
      '--all --spool /spool --config c.json --bucket s3://b --after move --move-to done --concurrency 4',
      { spool: '/spool', config: 'c.json', bucket: 's3://b', after: 'move', moveTo: 'done', concurrency: '4' },
    ],
    ['/spool/study', { spool: '/spool', folder: '/spool/study' }],
    ['/spool/study/', { spool: '/spool', folder: '/spool/study' }],
    ['study --calling-ip 10.0.0.1', { spool: '/at', folder: '/at/study', callingIP: '10.0.0.1' }],
    ['-- study', { spool: '/at', folder: '/at/study' }],
    [
      `CT1 10.0.0.1 /spool/study ${URL} map.plist`,
      { spool: '/spool', folder: '/spool/study', callingAET: 'CT1', callingIP: '10.0.0.1' },
    ],
    [
      `CT1 10.0.0.1 /spool/study ${URL} map.plist --calling-ip 10.0.0.2`,
      { spool: '/spool', folder: '/spool/study', callingAET: 'CT1', callingIP: '10.0.0.1' },
    ],
  ])('asks for what `upload %s` says', (line, expected) => {
    expect(asked(line.split(' '))).toEqual(expected);
  });

  it('takes the configuration of the environment along', () => {
    expect(asked(['--all', '--spool', '/s'], '{"site":"a"}')).toEqual({ spool: '/s', environment: '{"site":"a"}' });
  });

  it.each([
    '',
    '--all /spool/study',
    '/spool/a /spool/b',
    '--watch --spool /spool',
    '--all --watch',
    '--all --direct',
    '--all --here',
    '--all --archive https://pacs/studies',
    '--all --institutions map.plist',
    '--all --spool',
    '--all --spool --syslog',
    '--all=yes',
    '--all --nonsense',
    '-h',
    '--help',
    '--all --help',
    '/',
    `CT1 no-address /spool/study ${URL} map.plist`,
    `CT1 10.0.0.1 /spool/study ${URL} map.plist --direct`,
    'CT1 10.0.0.1 /spool/study b c',
  ])('asks for nothing where the arguments are `upload %s`', (line) => {
    expect(handoverOf(line === '' ? [] : line.split(' '), CWD, undefined)).toBeUndefined();
  });

  it('asks for nothing for an empty folder name', () => {
    expect(handoverOf([''], CWD, undefined)).toBeUndefined();
  });

  it('knows each option of the command, or leaves it to the command', () => {
    const left = uploadCommand(() => undefined)
      .options.filter(({ long, required }) => {
        const given = [long ?? '', ...(required ? ['1'] : [])];
        return handoverOf([...(long === '--all' ? [] : ['--all']), ...given], CWD, undefined) === undefined;
      })
      .map(({ long }) => long);
    expect(left.sort()).toEqual(['--archive', '--direct', '--here', '--institutions', '--watch']);
  });
});
