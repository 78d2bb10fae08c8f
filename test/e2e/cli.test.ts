/** The command line as people and supervisors meet it: help, exit codes, what stands on stdout and stderr. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startEmbeddedArchive, type EmbeddedArchive } from '../../local-cloud/archive/server.ts';
import { runAudit } from '../support/audit-process.ts';
import { buildImage } from '../support/build-dicom.ts';
import { writeCtStudy } from '../support/ct-study.ts';
import { freePort } from '../support/free-port.ts';
import { requirePeer } from '../support/peers.ts';
import { descendantsOf, isRunning } from '../support/process-tree.ts';
import { runStorestow, startStorestow, type Finished } from '../support/storestow-process.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { startTokenServer } from '../support/token-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const run = promisify(execFile);
const SUBCOMMANDS = ['up', 'upload', 'redrive', 'service', 'status', 'process', 'audit', 'doctor'] as const;
const EXIT = { done: 0, failed: 1, usage: 2, temporary: 75 } as const;

let folder: TemporaryFolder;
let data: string;

beforeEach(async () => {
  folder = await temporaryFolder('cli');
  data = join(folder.path, 'data');
});

afterEach(() => folder.remove());

const at = (...names: string[]): string => join(folder.path, ...names);
const storestow = async (...args: string[]): Promise<Finished> => runStorestow(args, { cwd: folder.path });

async function unusedUrl(): Promise<string> {
  return `http://127.0.0.1:${String(await freePort())}`;
}

describe('storestow --help', () => {
  it.each(SUBCOMMANDS)('%s: groups its options, and numbers its examples', async (subcommand) => {
    const { code, stdout, stderr } = await storestow(subcommand, '--help');
    expect({ code, stderr }).toEqual({ code: EXIT.done, stderr: '' });
    const headings = [...stdout.matchAll(/^([A-Z][^\n]*):$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(expect.arrayContaining(['Configuration', 'Examples']));
    expect(headings.filter((heading) => heading !== 'Options' && heading !== 'Arguments').length).toBeGreaterThanOrEqual(2);
    const examples = stdout.slice(stdout.indexOf('Examples:'));
    const numbers = [...examples.matchAll(/^ {2}(\d+)\. \S.*\n {7}storestow /gm)].map(([, number]) => Number(number));
    expect(numbers.length).toBeGreaterThanOrEqual(2);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    expect(examples).toContain(`storestow ${subcommand}`);
  });

  it('lists the subcommands and the exit codes', async () => {
    const { code, stdout } = await storestow('--help');
    expect(code).toBe(EXIT.done);
    for (const subcommand of SUBCOMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${subcommand} `, 'm'));
    expect(stdout).toMatch(/0 all done .* 1 some failed .* 2 usage .* 75 temporary/);
  });
});

describe('exit code 2: usage and configuration', () => {
  it.each([
    ['an unknown subcommand', ['frobnicate'], /unknown command 'frobnicate'/],
    ['an unknown option', ['audit', '--frobnicate'], /unknown option '--frobnicate'/],
    ['a value that is no number', ['up', '--port', 'x'], /--port.*whole number/],
    ['a date that is none', ['audit', '--received-from', 'soon'], /expected a date/],
    ['two output forms', ['audit', '--json', '--csv'], /cannot be used with/],
    ['process without a target', ['process', '.'], /give --out FOLDER, or --dry-run/],
    ['an input that is not there', ['process', 'nowhere', '--out', 'out'], /cannot read nowhere/],
    ['a bucket address that is none', ['audit', '--bucket', 'ftp://x'], /no such bucket; write folder/],
    ['a bucket that is not there', ['audit', '--data', 'nowhere'], /there is no bucket in .*nowhere/],
    ['upload with no bucket to go to', ['upload', '--all', '--spool', '.'], /CONFIG_INVALID: no bucket is named/],
    ['upload without a folder', ['upload', '--data', 'data'], /give a study's folder, or --all/],
    ['an archive address that is none', ['up', '.', '--archive', 'http://x/rs'], /archive\.url must end in \/studies/],
    [
      'an archive without an address',
      ['up', '.', '--archive', ''],
      /CONFIG_INVALID: what the command line gives[^]*archive\.url/,
    ],
    ['a site without a name', ['up', '.', '--site', ''], /CONFIG_INVALID: what the command line gives[^]*at site/],
    [
      'an archive to verify without an address',
      ['audit', 'verify', '--archive', ''],
      /CONFIG_INVALID: what the command line gives/,
    ],
    ['a mapping that is not there', ['up', '.', '--institutions', 'nowhere.plist'], /cannot read .*nowhere\.plist/],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await storestow(...args);
    expect(code, stderr).toBe(EXIT.usage);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stdout).toBe('');
  });

  it.each([
    ['an unknown setting', { upload: { retries: 3 } }, 'upload'],
    ['a value out of range', { archive: { url: 'http://x/studies', connections: 99 } }, 'archive.connections'],
    ['a value of another type', { site: 7 }, 'site'],
  ])('a configuration with %s, named', async (_, config, setting) => {
    await writeFile(at('storestow.json'), JSON.stringify(config));
    for (const subcommand of [['audit'], ['doctor'], ['up', '--no-receiver'], ['upload', 'x']]) {
      const { code, stderr } = await storestow(...subcommand, '--config', at('storestow.json'));
      expect(code, subcommand[0]).toBe(EXIT.usage);
      expect(stderr, subcommand[0]).toMatch(/^storestow: CONFIG_INVALID: /);
      expect(stderr, subcommand[0]).toContain(setting);
    }
  });
});

describe('storestow upload FOLDER, of studies of which one was uploaded', () => {
  it('is told what to give instead, which uploads the rest', async () => {
    await writeCtStudy(at('studies', 'one'), 1, '1.2.826.0.1.3680043.10.1');
    await writeCtStudy(at('studies', 'two'), 2, '1.2.826.0.1.3680043.10.2');
    await writeFile(at('storestow.json'), JSON.stringify({ upload: { settle: 0, after: 'keep' } }));
    const to = ['--bucket', `folder:${at('bucket')}`, '--config', at('storestow.json')];
    expect((await storestow('upload', at('studies', 'one'), ...to)).code).toBe(EXIT.done);
    const { code, stderr } = await storestow('upload', at('studies'), ...to);
    expect(code).toBe(EXIT.usage);
    expect(stderr).toContain('folders in it were uploaded before');
    const instead = /give instead: (.*)$/m.exec(stderr)?.[1]?.split(' ') ?? expect.fail(stderr);
    const { stdout } = await storestow('upload', ...instead, ...to);
    expect(stdout).toMatch(/^2 uploaded, 1 there already, .* 0 failed$/m);
  });
});

describe('exit code 75: temporary', () => {
  it('upload, with the bucket down: the file stays', async () => {
    await writeCtStudy(at('study'), 1);
    await writeFile(at('storestow.json'), JSON.stringify({ upload: { settle: 0 } }));
    const bucket = `${(await unusedUrl()).replace('//', '//key:secret@')}/arrivals`;
    const { code, stderr } = await storestow('upload', at('study'), '--bucket', bucket, '--config', at('storestow.json'));
    expect(code, stderr).toBe(EXIT.temporary);
    expect(stderr).toMatch(/^failed .*slice-0001\.dcm: STORE_UNAVAILABLE$/m);
    expect(stderr).not.toContain('secret');
    expect(await readdir(at('study'))).toContain('slice-0001.dcm');
  });

  it('audit, with the bucket down', async () => {
    const bucket = `${(await unusedUrl()).replace('//', '//key:secret@')}/arrivals`;
    const { code, stderr, stdout } = await storestow('audit', '--json', '--bucket', bucket);
    expect(code, stderr).toBe(EXIT.temporary);
    expect(stderr).toMatch(/^storestow: STORE_UNAVAILABLE: /m);
    // No half array that a program would take for all.
    expect(stdout).not.toContain(']');
  });
});

describe('storestow up FOLDER', () => {
  let archive: EmbeddedArchive;

  beforeEach(async () => {
    archive = await startEmbeddedArchive({ folder: at('archive') });
    const mapping = `<plist version="1.0"><dict><key>CT1</key><string>North Clinic</string></dict></plist>`;
    await writeFile(at('map.plist'), mapping);
  });

  afterEach(() => archive.close());

  const ingest = async (...args: string[]): Promise<Finished> =>
    storestow('up', at('study'), '--data', data, '--archive', archive.url, '--institutions', at('map.plist'), ...args);

  /** Cells of the table's rows below the head. */
  function rows(stdout: string): readonly (readonly string[])[] {
    const lines = stdout.split('\n').filter((line) => line.startsWith('│'));
    const cells = lines.map((line) =>
      line
        .split('│')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
    expect(cells[0]).toEqual(['study', 'instances', 'bytes before', 'after', 'institution', 'outcome']);
    return cells.slice(1);
  }

  it('prints what became of each study, and ends; a second time the same, and sends nothing', async () => {
    const study = await writeCtStudy(at('study'), 5);
    const first = await ingest('--calling-aet', 'CT1');
    expect(first.code, first.stderr).toBe(EXIT.done);
    const [row, ...others] = rows(first.stdout);
    expect(others).toEqual([]);
    const size = expect.stringMatching(/^\d+(\.\d)? k?B$/) as unknown;
    expect(row).toEqual([study.studyInstanceUID, '5', size, size, 'North Clinic', 'stowed']);
    const bytes = row?.slice(2, 4).map((text) => Number.parseFloat(text)) ?? [];
    expect(bytes[1]).toBeLessThan(bytes[0] ?? 0);
    // A person reads this: no log lines.
    expect(first.stderr).toMatch(/^(ingested: \d+ of \d+ instances\n)+$/);
    expect(first.stderr).toMatch(/ingested: 5 of 5 instances\n$/);
    expect(first.stdout).toContain(`archive ${archive.url}`);
    expect((await readdir(at('study'))).length).toBe(5);
    const sent = archive.faults.of('stow').length;

    const second = await ingest('--calling-aet', 'CT1');
    expect(second.code, second.stderr).toBe(EXIT.done);
    expect(rows(second.stdout)).toEqual([[study.studyInstanceUID, '5', row?.[2], '', 'North Clinic', 'stowed']]);
    expect(archive.faults.of('stow')).toHaveLength(sent);
    expect(await runAudit(data)).toHaveLength(5);
  });

  it('ends with 1 and names each file that was not stowed', async () => {
    await writeCtStudy(at('study'), 1);
    const file = buildImage({ studyUID: '1.2.3.1', seriesUID: '1.2.3.2', sopUID: '1.2.3.3', callingAET: 'UNKNOWN' });
    await writeFile(at('study', 'unknown.dcm'), file);
    await writeFile(at('study', 'cut.dcm'), file.subarray(0, file.length - 100));
    await writeFile(at('study', 'notes.txt'), 'not DICOM');
    const { code, stdout } = await ingest('--calling-aet', 'CT1');
    expect(code).toBe(EXIT.failed);
    expect(rows(stdout).map(([study, instances, , , , outcome]) => [study, instances, outcome])).toEqual(
      expect.arrayContaining([
        ['1.2.3.1', '1', 'quarantined/UNKNOWN_SOURCE'],
        ['not taken', '1', 'damaged/TRUNCATED'],
        ['not taken', '1', 'foreign/NOT_PART10'],
      ]),
    );
    expect(stdout).toContain(`quarantined/UNKNOWN_SOURCE  ${at('study', 'unknown.dcm')}\n`);
    expect(stdout).toContain(`damaged/TRUNCATED  ${at('study', 'cut.dcm')}\n`);
  });

  it('says what it waits for when the archive is down for a while', async () => {
    await writeCtStudy(at('study'), 2);
    archive.faults.next('qido', { kind: 'answer', status: 503 });
    archive.faults.next('stow', ...Array.from({ length: 8 }, () => ({ kind: 'answer', status: 503 }) as const));
    const up = startStorestow(['up', at('study'), '--data', data, '--archive', archive.url], { cwd: folder.path });
    await waitUntil('it says so', () =>
      /ingested: 0 of 2 instances; 2 wait to be tried again: ARCHIVE_UNAVAILABLE\n/.test(up.output().stderr),
    );
    archive.faults.clear();
    const { code, stderr } = await up.finished;
    expect(code, stderr).toBe(EXIT.done);
    expect(stderr).toMatch(/ingested: 2 of 2 instances\n$/);
  });

  it('refuses a folder that is not there before anything is started', async () => {
    const up = startStorestow(['up', at('nowhere'), '--data', data]);
    const { code, stdout, stderr } = await up.finished;
    expect({ code, stdout }).toEqual({ code: EXIT.usage, stdout: '' });
    expect(stderr).toBe(`storestow: USAGE: there is no folder ${at('nowhere')}; check the path\n`);
    expect(existsSync(data)).toBe(false);
    const { stdout: processes } = await run('ps', ['-A', '-o', 'command=']);
    expect(processes).not.toContain(folder.path);
  });
});

describe('storestow up', () => {
  it('ends on SIGTERM with 0, and leaves no process', async () => {
    const receiver = existsSync('/usr/bin/storescp') ? ['--port', String(await freePort())] : ['--no-receiver'];
    requirePeer('DCMTK', receiver.length === 2);
    const up = startStorestow(['up', '--data', data, ...receiver]);
    await up.waitFor(/running; end with Ctrl-C/);
    const children = await descendantsOf(up.child.pid ?? 0);
    expect(children.map(({ command }) => command).join('\n')).toContain('function-process');
    const { code, stderr } = await up.stop();
    expect({ code, stderr }).toEqual({ code: EXIT.done, stderr: '' });
    for (const { pid, command } of children) expect(await isRunning(pid), command).toBe(false);
  });

  const noReceiver = requirePeer('DCMTK', existsSync('/usr/bin/storescp'));
  const noProc = requirePeer('/proc, which tells what a process has open', existsSync('/proc/self/fd'));

  it.skipIf(noReceiver || noProc)('says that it runs when its uploader listens, not before', async () => {
    const up = startStorestow(['up', '--data', data, '--port', String(await freePort())]);
    await up.waitFor(/running; end with Ctrl-C/);
    const uploader = (await descendantsOf(up.child.pid ?? 0)).find(({ command }) => command.includes('upload --watch'));
    const descriptors = `/proc/${uploader?.pid ?? 'none'}/fd`;
    const open = await Promise.all(
      (await readdir(descriptors)).map(async (fd) => readlink(join(descriptors, fd)).catch(() => '')),
    );
    expect(open).toContain('anon_inode:inotify');
    await up.stop();
  });

  it('refuses a port that is in use, and leaves no process', async () => {
    const archive = await startEmbeddedArchive({ folder: at('archive'), host: '0.0.0.0' });
    try {
      const up = startStorestow(['up', '--data', data, '--port', String(archive.port)]);
      const { code, stderr } = await up.finished;
      expect(code, stderr).toBe(EXIT.usage);
      expect(stderr).toMatch(new RegExp(`^storestow: PORT_IN_USE: port ${String(archive.port)} is in use`, 'm'));
      const { stdout: processes } = await run('ps', ['-A', '-o', 'command=']);
      expect(processes).not.toContain(data);
    } finally {
      await archive.close();
    }
  });
});

describe('storestow audit of an empty bucket', () => {
  beforeEach(() => mkdir(join(data, 'bucket'), { recursive: true }));

  it('--json is an empty array', async () => {
    const { code, stdout } = await storestow('audit', '--data', data, '--json');
    expect({ code, stdout }).toEqual({ code: EXIT.done, stdout: '[]\n' });
  });

  it('--csv is a head behind a byte order mark, by which spreadsheets know UTF-8', async () => {
    const { code, stdout } = await storestow('audit', '--data', data, '--csv');
    expect(code).toBe(EXIT.done);
    expect(stdout).toMatch(/^\ufeffstatus,reason,institution,[^\n]*,key\r\n$/);
  });

  it('is a table without rows', async () => {
    const { code, stdout } = await storestow('audit', '--data', data);
    expect(code).toBe(EXIT.done);
    expect(stdout).toMatch(/\n0 objects\n$/);
  });
});

describe('storestow doctor', () => {
  it('says of each part that it is well, and ends with 0', async () => {
    const archive = await startEmbeddedArchive({ folder: at('archive') });
    try {
      await writeFile(at('storestow.json'), JSON.stringify({ archive: { url: archive.url } }));
      const { code, stdout } = await storestow('doctor', '--data', data, '--config', at('storestow.json'));
      expect(code, stdout).toBe(EXIT.done);
      for (const part of ['configuration', 'Node: v', 'rules and institutions: 6 rules', 'bucket: folder', 'archive: '])
        expect(stdout).toContain(`ok    ${part}`);
      expect(stdout).toMatch(/^(ok {4}|warn {2})DCMTK: /m);
      expect(stdout).not.toContain('FAIL');
    } finally {
      await archive.close();
    }
  });

  it("finds WildFly's limit on requests, and names the setting", async () => {
    const archive = await startEmbeddedArchive({ folder: at('archive') });
    archive.faults.limitBodies(10_485_760, 'drop');
    try {
      await writeFile(at('storestow.json'), JSON.stringify({ archive: { url: archive.url } }));
      const { code, stdout } = await storestow('doctor', '--data', data, '--config', at('storestow.json'));
      expect(code).toBe(EXIT.failed);
      expect(stdout).toMatch(/^FAIL {2}request length: ARCHIVE_SIZE_LIMIT: .*max-post-size/m);
    } finally {
      await archive.close();
    }
  });

  it.each([
    [401, 'ARCHIVE_UNAUTHORIZED'],
    [403, 'ARCHIVE_FORBIDDEN'],
  ])('tells a token that was fetched from an archive that answers %i to it', async (status, code) => {
    const archive = await startEmbeddedArchive({ folder: at('archive') });
    const tokens = await startTokenServer({ body: { access_token: 'T0KEN', token_type: 'Bearer', expires_in: 300 } });
    archive.faults.next('qido', ...Array.from({ length: 2 }, () => ({ kind: 'answer', status }) as const));
    try {
      const auth = { kind: 'oauth2', tokenUrl: tokens.tokenUrl, clientId: 'storestow', clientSecret: 'S3CRET' };
      await writeFile(at('storestow.json'), JSON.stringify({ archive: { url: archive.url, auth } }));
      const result = await storestow('doctor', '--data', data, '--config', at('storestow.json'));
      expect(result.code).toBe(EXIT.failed);
      expect(result.stdout).toMatch(/^ok {4}credentials: oauth2, client storestow: a token that lives 300 s /m);
      expect(result.stdout).toMatch(new RegExp(`^FAIL {2}archive: ${code}: `, 'm'));
      expect(JSON.stringify(result)).not.toMatch(/T0KEN|S3CRET/);
    } finally {
      await tokens.close();
      await archive.close();
    }
  });

  it('says of an archive that is down that it failed, and ends with 1', async () => {
    const url = `${await unusedUrl()}/rs/studies`;
    await writeFile(at('storestow.json'), JSON.stringify({ archive: { url } }));
    const { code, stdout } = await storestow('doctor', '--data', data, '--config', at('storestow.json'));
    expect(code).toBe(EXIT.failed);
    expect(stdout).toMatch(/^FAIL {2}archive: ARCHIVE_UNAVAILABLE: .*check that it runs/m);
    expect(stdout).toMatch(/^ok {4}bucket: /m);
  });

  it('says of a mapping that cannot be read which it is', async () => {
    await writeFile(at('storestow.json'), JSON.stringify({ coerce: { institutions: at('map.plist') } }));
    await writeFile(at('map.plist'), 'bplist00');
    const { code, stdout } = await storestow('doctor', '--data', data, '--config', at('storestow.json'));
    expect(code).toBe(EXIT.failed);
    expect(stdout).toMatch(/^FAIL {2}rules and institutions: MAPPING_INVALID: .*plutil/m);
  });
});
