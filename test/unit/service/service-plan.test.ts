import { describe, expect, it } from 'vitest';
import { planService, type ServiceOptions } from '../../../local-cloud/service/service-plan.ts';

const options: ServiceOptions = {
  name: 'storestow',
  user: 'storestow',
  receivers: [{ aet: 'STORESTOW', port: 11112 }],
  spool: '/var/spool/storestow',
  config: '/etc/storestow/config.json',
  data: '/var/lib/storestow',
  writable: [],
  storestow: ['/usr/bin/node', '/opt/storestow/cli.js'],
  storescp: '/usr/bin/storescp',
};
const TLS = { key: '/etc/key.pem', cert: '/etc/cert.pem' };

describe('planService', () => {
  it('has a receiver for each title and port, one uploader, one sweep, over one spool', () => {
    const { programs, folders } = planService({
      ...options,
      receivers: [
        { aet: 'CT', port: 11112 },
        { aet: 'MR', port: 11113 },
      ],
      writable: ['/srv/bucket'],
    });
    expect(programs.map(({ name }) => name)).toEqual(['receiver-11112', 'receiver-11113', 'upload', 'sweep']);
    expect(programs[1]?.command.slice(0, 1)).toEqual(['/usr/bin/storescp']);
    expect(programs[1]?.command).toEqual(expect.arrayContaining(['--aetitle', 'MR', '11113', '--disable-host-lookup']));
    expect(programs[2]?.command).toEqual([
      ...['/usr/bin/node', '/opt/storestow/cli.js', 'upload', '--watch', '--spool', '/var/spool/storestow'],
      ...['--config', '/etc/storestow/config.json', '--data', '/var/lib/storestow'],
    ]);
    expect(programs[3]?.command).toEqual(expect.arrayContaining(['--all', '--here']));
    expect(programs[0]?.writable).toEqual(['/var/spool/storestow']);
    expect(programs[2]?.writable).toEqual(['/var/spool/storestow', '/srv/bucket']);
    expect(folders).toContain('/var/spool/storestow/receiving');
  });

  it('hands the exec line nothing that a peer chooses', () => {
    const command = planService(options).programs[0]?.command ?? [];
    const line = command[command.indexOf('--exec-on-reception') + 1] ?? '';
    expect([...new Set(line.match(/#[a-z]/g))].sort()).toEqual(['#f', '#r']);
  });

  it('passes on what storescp has for TLS', () => {
    const tls = { ...TLS, ca: ['/etc/ca one.pem'], crl: ['/etc/crl.pem'], peer: 'verify', profile: 'bcp195' } as const;
    const command = planService({ ...options, receivers: [{ aet: 'CT', port: 2762, tls }] }).programs[0]?.command ?? [];
    const start = command.indexOf('--enable-tls');
    expect(command.slice(start, start + 10)).toEqual([
      ...['--enable-tls', '/etc/key.pem', '/etc/cert.pem', '--null-passwd', '--add-cert-file', '/etc/ca one.pem'],
      ...['--add-crl-file', '/etc/crl.pem', '--profile-bcp195', '--verify-peer-cert'],
    ]);
  });

  const withReceiver = (receiver: object): Partial<ServiceOptions> => ({
    receivers: [{ aet: 'CT', port: 11112, ...receiver }],
  });

  it.each<[string, Partial<ServiceOptions>]>([
    ['a name with a slash', { name: '../storestow' }],
    ['a name with a capital', { name: 'Storestow' }],
    ['a user that is an option', { user: '-u' }],
    ['a user with a line break', { user: 'a\nExecStart=/bin/sh' }],
    ['root', { user: 'root' }],
    ['no receiver', { receivers: [] }],
    ['a title with shell characters', withReceiver({ aet: '$(id)' })],
    ['a title with a line break', withReceiver({ aet: 'A\nUser=root' })],
    ['a title with quotes', withReceiver({ aet: `a"b'c` })],
    ['a title of 17 characters', withReceiver({ aet: 'A'.repeat(17) })],
    ['a title that is an option', withReceiver({ aet: '--fork' })],
    ['a port that storescp listens on as root only', withReceiver({ port: 104 })],
    ['a port that is none', withReceiver({ port: 70_000 })],
    [
      'one port twice',
      {
        receivers: [
          { aet: 'A', port: 11112 },
          { aet: 'B', port: 11112 },
        ],
      },
    ],
    ['TLS that asks for certificates of nobody', withReceiver({ tls: TLS })],
    ['a key with a line break in its path', withReceiver({ tls: { ...TLS, key: '/a\nb', peer: 'ignore' } })],
    ['a spool with a line break', { spool: '/var/spool/a\nExecStartPre=/bin/sh' }],
    ['a spool with NUL', { spool: '/var/\0' }],
    ['a spool that is relative', { spool: 'spool' }],
    ['a spool that goes up', { spool: '/var/spool/../../etc' }],
    ['a spool that storescp would replace a part of', { spool: '/var/spool/#a' }],
    ['a folder to write in that is relative', { writable: ['bucket'] }],
    ['a configuration with an escape', { config: '/etc/\u001b[2J' }],
    ['a program with a lone surrogate', { storestow: ['/usr/bin/node', '/\ud800'] }],
  ])('refuses %s', (_, wrong) => {
    expect(() => planService({ ...options, ...wrong })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
