import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ASSOCIATION_PROFILES,
  STORESCP_ENVIRONMENT,
  shellQuote,
  storescpArguments,
  storescuLine,
} from '../../../local-cloud/storescp-command.ts';
import { restartDelay } from '../../../local-cloud/storescp.ts';
import { receivingFolder, stateFolder } from '../../../core/spool-layout.ts';

/** What `startStorescp` runs, as a line for a shell. */
function receiverLine(given: Parameters<typeof storescpArguments>[0]): string {
  const folders = [receivingFolder(given.spool), stateFolder(given.spool)].map(shellQuote).join(' ');
  const environment = Object.entries(STORESCP_ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
  const command = ['storescp', ...storescpArguments(given)].map(shellQuote);
  return `umask 077; mkdir -p ${folders} && ${[...environment, ...command].join(' ')}`;
}

const options = {
  port: 11112,
  aet: 'STORESTOW',
  spool: '/var/spool/dicom',
  execCommand: ['storestow', 'upload', '--all', '/var/spool/dicom'],
};

function execLineOf(args: readonly string[]): string {
  return args[args.indexOf('--exec-on-reception') + 1] ?? '';
}

describe('storescpArguments', () => {
  it('names the association profile, keeps the bytes, serves associations side by side and looks no host up', () => {
    const args = storescpArguments(options);
    for (const option of ['--fork', '--bit-preserving', '--unique-filenames', '--disable-host-lookup']) {
      expect(args).toContain(option);
    }
    const profile = args.indexOf('--config-file');
    expect(args.slice(profile + 1, profile + 3)).toEqual([
      join(import.meta.dirname, '../../../receiver/storescp.cfg'),
      'Storestow',
    ]);
    expect(args).not.toContain('--accept-all');
    expect(args).not.toContain('--promiscuous');
    expect(args[args.indexOf('--output-directory') + 1]).toBe('/var/spool/dicom/receiving');
    expect(args[args.indexOf('--max-pdu') + 1]).toBe('131072');
    expect(args.at(-1)).toBe('11112');
  });

  it('lets nothing into the exec line that the peer chooses', () => {
    const line = execLineOf(storescpArguments(options));
    expect([...new Set(line.match(/#[a-z]/g))].sort()).toEqual(['#f', '#r']);
    expect(line).not.toMatch(/#[acp]/);
    expect(line).toContain('exec storestow upload --all /var/spool/dicom');
  });

  it.each([
    ['port 0', { port: 0 }],
    ['port 65536', { port: 65_536 }],
    ['a fraction of a port', { port: 104.5 }],
    ['an empty title', { aet: '' }],
    ['a title of 17', { aet: 'A'.repeat(17) }],
    ['a title that DCMTK reads as a file of options', { aet: '@etc' }],
    ['a title that DCMTK reads as an option', { aet: '-x' }],
    ['a placeholder in the spool', { spool: '/var/#a' }],
    ['a placeholder in the command', { execCommand: ['upload', '#c'] }],
    ['no command', { execCommand: [] }],
  ])('refuses %s', (_, wrong) => {
    expect(() => storescpArguments({ ...options, ...wrong })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

describe('the lines for people', () => {
  it('are in the documents as startStorescp runs them', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../docs/receiver.md'), 'utf8');
    const [, given = ''] = /^ {4}(umask 077;.*? 11112)$/ms.exec(page) ?? [];
    const spool = '/var/spool/storestow';
    const execCommand = ['storestow', 'upload', '--all', '--spool', spool, '--config', '/etc/storestow/config.json'];
    const printed = receiverLine({ ...options, spool, execCommand });
    expect(
      given.replace(/ ?\\?\n */g, ' ').replace('"$(npm root -g)/storestow/receiver/storescp.cfg"', ASSOCIATION_PROFILES),
    ).toBe(printed.replace(shellQuote(ASSOCIATION_PROFILES), ASSOCIATION_PROFILES));
  });

  it('prints a storescu line', () => {
    expect(storescuLine({ port: 11112, aet: 'STORESTOW', files: ['a study'] })).toBe(
      "storescu -aet STORESCU -aec STORESTOW +sd +r 127.0.0.1 11112 'a study'",
    );
  });

  it('quotes any word so that a shell gives it back', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'binary' }).filter((word) => !word.includes('\0') && word.isWellFormed()),
          { minLength: 1, maxLength: 20 },
        ),
        (words) => {
          const printed = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${words.map(shellQuote).join(' ')}`], {
            encoding: 'utf8',
          });
          expect(printed.split('\0').slice(0, -1)).toEqual(words);
        },
      ),
      { numRuns: 25 },
    );
  });
});

describe('restartDelay', () => {
  it.each([
    [1, 500],
    [2, 1000],
    [6, 16_000],
    [7, 30_000],
    [1000, 30_000],
  ])('after %i ends in a row: %i ms', (failures, ms) => {
    expect(restartDelay(failures)).toBe(ms);
  });
});
