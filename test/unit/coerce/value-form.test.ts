import { describe, expect, it } from 'vitest';
import { parseValues, type SettableVR } from '../../../core/coerce/value-form.ts';

type Stated = Parameters<typeof parseValues>[1];

describe('parseValues', () => {
  it.each<[SettableVR, Stated, readonly string[]]>([
    ['AE', 'CT 1', ['CT 1']],
    ['AS', '018M', ['018M']],
    ['CS', 'A_1 B', ['A_1 B']],
    ['CS', 'A\\B', ['A', 'B']],
    ['CS', ['A', 'B\\C'], ['A', 'B', 'C']],
    ['CS', 'A\\\\B', ['A', '', 'B']],
    ['DA', '20261124', ['20261124']],
    ['DA', 20261124, ['20261124']],
    ['DS', '-1.5e-3', ['-1.5e-3']],
    ['DS', 0.5, ['0.5']],
    ['DT', '2026', ['2026']],
    ['DT', '202611', ['202611']],
    ['DT', '20261124093000.123456+0100', ['20261124093000.123456+0100']],
    ['IS', -2147483648, ['-2147483648']],
    ['IS', '2147483647', ['2147483647']],
    ['LO', 'x'.repeat(64), ['x'.repeat(64)]],
    ['LO', '病'.repeat(64), ['病'.repeat(64)]],
    ['LO', '', []],
    ['LT', 'a\\b\r\nc', ['a\\b\r\nc']],
    ['PN', '-^-^-^-', ['-^-^-^-']],
    ['PN', 'A^B=山^田=やま^だ', ['A^B=山^田=やま^だ']],
    ['PN', `${'x'.repeat(64)}=${'y'.repeat(64)}`, [`${'x'.repeat(64)}=${'y'.repeat(64)}`]],
    ['SH', '29991231235959', ['29991231235959']],
    ['TM', '235960.5', ['235960.5']],
    ['UI', '1.2.840.0', ['1.2.840.0']],
    ['UR', 'https://x/y\u005c'.slice(0, 11), ['https://x/y']],
  ])('%s takes %j', (vr, stated, texts) => {
    expect(parseValues(vr, stated)).toEqual({ kind: 'text', vr, texts });
  });

  it.each<[SettableVR, Stated, readonly (number | bigint)[]]>([
    ['US', 65535, [65535]],
    ['US', '1\\2', [1, 2]],
    ['SS', -32768, [-32768]],
    ['UL', 4294967295, [4294967295]],
    ['SL', -2147483648, [-2147483648]],
    ['UV', '18446744073709551615', [18446744073709551615n]],
    ['SV', '-9223372036854775808', [-9223372036854775808n]],
    ['FL', 0.5, [0.5]],
    ['FD', '1e300', [1e300]],
    ['AT', '(0020,0010)\\00080018', [0x00200010, 0x00080018]],
    ['US', '', []],
  ])('%s takes %j as numbers', (vr, stated, numbers) => {
    expect(parseValues(vr, stated)).toEqual({ kind: 'number', vr, numbers });
  });

  it.each<[SettableVR, Stated, string]>([
    ['AE', 'x'.repeat(17), 'longer than the 16 characters of AE'],
    ['AE', '   ', 'is not printable ASCII'],
    ['AS', '18M', 'is not nnnD'],
    ['CS', 'lower', 'is not capital letters'],
    ['CS', 'X'.repeat(17), 'longer than the 16'],
    ['DA', '2026-11-24', 'is not YYYYMMDD'],
    ['DA', '20261324', 'is not YYYYMMDD'],
    ['DS', '1,5', 'is not a decimal number'],
    ['DS', '1.00000000000000001', 'longer than the 16'],
    ['DT', '20261124T0930', 'is not YYYYMMDDHHMMSS'],
    ['IS', '2147483648', 'not within 32 bits'],
    ['IS', '1.5', 'is not an integer'],
    ['LO', 'x'.repeat(65), 'longer than the 64'],
    ['LO', 'a\nb', 'is not text in one line'],
    ['LO', 'a\u001bb', 'is not text in one line'],
    ['LT', ['a', 'b'], 'LT takes one value'],
    ['LT', 'a\u0000b', 'is not text'],
    ['PN', 'a^b^c^d^e^f', 'is not up to five components'],
    ['PN', 'a=b=c=d', 'is not up to five components'],
    ['PN', 'x'.repeat(65), 'longer than the 64'],
    ['SH', 'x'.repeat(17), 'longer than the 16'],
    ['TM', '2400', 'is not HHMMSS'],
    ['UI', '1.02', 'is not a UID'],
    ['UI', '1.'.repeat(33) + '1', 'longer than the 64'],
    ['UR', ' http://x', 'is not a URI'],
    ['US', 65536, 'is not an integer of 0 to 65535'],
    ['US', 1.5, 'is not an integer'],
    ['SS', -32769, 'is not an integer of -32768'],
    ['UL', '0x10', 'is not an integer'],
    ['UV', '-1', 'is not an integer of 0'],
    ['FL', 1e39, 'is not a number'],
    ['AT', 'StudyID', 'is not a tag'],
    ['US', '1\\', 'is not an integer'],
  ])('%s refuses %j', (vr, stated, problem) => {
    expect(parseValues(vr, stated)).toContain(problem);
  });
});
