import { resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { handoverOf } from '../../../cli/hand-over-arguments.ts';
import { uploadCommand } from '../../../cli/upload.ts';
import { parseWord, serializeWord } from '../../../local-uploader/handover/handover-word.ts';

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

/** What the command's own parser makes of them; it throws for what it refuses. */
async function byTheCommand(
  args: readonly string[],
): Promise<{ readonly folders: readonly string[]; readonly options: Readonly<Record<string, unknown>> }> {
  const command = uploadCommand(() => undefined);
  command.exitOverride().action(() => undefined);
  await command.parseAsync(args, { from: 'user' });
  return { folders: command.args, options: command.opts() };
}

describe('handoverOf', () => {
  it.each<[string, object]>([
    ['--all --spool /spool', { spool: '/spool' }],
    ['--all --spool=/spool --syslog --log-level debug', { spool: '/spool' }],
    ['--all --spool /spool --no-syslog', { spool: '/spool' }],
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

  it('understands what it hands over as the command does', async () => {
    const value = fc.constantFrom('a', '/b', '10.0.0.1', 'CT1', '', '=', '-', '--', '-x', '--all', 'c=d', '4');
    const text = ['spool', 'calling-ip', 'calling-aet', 'move-to', 'config', 'bucket', 'data', 'log-level'];
    const option = fc.constantFrom(...text).map((name) => `--${name}`);
    const words = fc.oneof(
      fc.constantFrom(['--all'], ['--syslog'], ['--']),
      value.map((one) => [one]),
      fc.tuple(option, value).map(([name, one]) => [name, one]),
      fc.tuple(option, value).map(([name, one]) => [`${name}=${one}`]),
    );
    let handedOver = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(words, { maxLength: 6 }), async (groups) => {
        const args = groups.flat();
        const word = handoverOf(args, CWD, undefined)?.word;
        if (word === undefined) return;
        handedOver += 1;
        const { folders, options } = await byTheCommand(args);
        expect(word).toEqual({
          cwd: CWD,
          data: options['data'],
          folder: options['all'] === true ? undefined : resolve(CWD, folders[0] ?? ''),
          config: options['config'],
          environment: undefined,
          bucket: options['bucket'],
          after: undefined,
          moveTo: options['moveTo'],
          concurrency: undefined,
          callingIP: options['callingIp'],
          callingAET: options['callingAet'],
        });
        expect(folders).toHaveLength(options['all'] === true ? 0 : 1);
      }),
      { numRuns: 2000 },
    );
    expect(handedOver).toBeGreaterThan(100);
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
