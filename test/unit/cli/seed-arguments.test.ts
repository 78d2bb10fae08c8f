import { describe, expect, it } from 'vitest';
import { parseSeedArguments } from '../../../cli/seed-arguments.ts';

const URL = 'https://archive.example/dcm4chee-arc/aets/%@/rs/studies';
const valid = ['CT ROOM 1', '192.168.1.7', '/spool/1.2.3', URL, 'institutionMapping.plist'] as const;

describe('parseSeedArguments', () => {
  it('takes the five in their order', () => {
    expect(parseSeedArguments(valid)).toEqual({
      callingAET: 'CT ROOM 1',
      callingIP: '192.168.1.7',
      studyFolder: '/spool/1.2.3',
      stowUrl: URL,
      institutionMapping: 'institutionMapping.plist',
    });
  });

  it.each([
    ['none', []],
    ['a study alone', ['/spool/1.2.3']],
    ['an option', ['--all', ...valid.slice(1)]],
    ['five folders', ['a', 'b', 'c', 'd', 'e']],
  ])('%s: another form', (_, args) => {
    expect(parseSeedArguments(args)).toBeUndefined();
  });

  it.each([
    ['an empty title', 0, ''],
    ['a title of blanks', 0, '   '],
    ['a title of 17', 0, 'A'.repeat(17)],
    ['a backslash in the title', 0, 'A\\B'],
    ['a control character in the title', 0, 'A\nB'],
    ['a host name for the address', 1, 'ct1.example'],
    ['an address out of range', 1, '300.1.1.1'],
    ['no folder', 2, ''],
    ['no web URL', 3, 'ftp://archive/studies'],
    ['no host', 3, 'https://'],
    ['an unknown placeholder', 3, 'https://archive/{who}/studies'],
    ['no property list', 4, 'mapping.json'],
  ])('%s: USAGE', (_, index, value) => {
    const args = valid.map((argument, at) => (at === index ? value : argument));
    expect(() => parseSeedArguments(args)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it.each(['::1', '2001:db8::7', '10.0.0.1'])('takes the address %s', (address) => {
    expect(parseSeedArguments(valid.map((argument, at) => (at === 1 ? address : argument)))?.callingIP).toBe(address);
  });
});
