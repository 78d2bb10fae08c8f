import { describe, expect, it } from 'vitest';

import { identify } from '../../../core/dicom/identify.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { buildDicom } from '../../support/build-dicom.ts';
import { thrownBy } from './flat-elements.ts';

function identityOf(...studyUIDs: readonly (string | undefined)[]): ReturnType<typeof identify> {
  const elements = [
    { tag: 0x00080016, vr: 'UI', value: '1.2.840.10008.5.1.4.1.1.2' },
    { tag: 0x00080018, vr: 'UI', value: '1.2.3' },
    ...studyUIDs.flatMap((value) => (value === undefined ? [] : [{ tag: 0x0020000d, vr: 'UI', value }])),
    { tag: 0x0020000e, vr: 'UI', value: '1.2.5' },
  ];
  return identify(readPart10(buildDicom({ elements })));
}

describe('the UIDs of an instance', () => {
  it('come without padding', () => {
    expect(identityOf('1.2.4')).toEqual({
      studyInstanceUID: '1.2.4',
      seriesInstanceUID: '1.2.5',
      sopInstanceUID: '1.2.3',
      sopClassUID: '1.2.840.10008.5.1.4.1.1.2',
    });
  });

  it.each([['1.2.4 '], [' 1.2.4'], ['1.2.4\0\0'], ['1'.repeat(64)], ['1.2.004'], ['1..2']])('%j is accepted', (uid) => {
    expect(identityOf(uid).studyInstanceUID).toBe(uid.replace(/[\0 ]/g, ''));
  });

  it('are not told where one is there several times: archives go by the first, or by the last', () => {
    expect(thrownBy(() => identityOf('1.2.4', '1.2.9'))).toMatchObject({ code: 'INVALID_UID', retryable: false });
    expect(identityOf('1.2.4', '1.2.4').studyInstanceUID).toBe('1.2.4');
  });

  it.each([
    [undefined, 'MISSING_UID'],
    ['', 'MISSING_UID'],
    [' \0', 'MISSING_UID'],
    ['1.2.a', 'INVALID_UID'],
    ['1.2/../3', 'INVALID_UID'],
    ['..', 'INVALID_UID'],
    ['.', 'INVALID_UID'],
    ['1.2\\1.3', 'INVALID_UID'],
    ['1.2\n', 'INVALID_UID'],
    ['1.2 3', 'INVALID_UID'],
    ['1'.repeat(65), 'INVALID_UID'],
    ['1'.repeat(5000), 'INVALID_UID'],
    ["';id;'", 'INVALID_UID'],
  ])('%j is refused with %s', (uid, code) => {
    const error = thrownBy(() => identityOf(uid));
    expect(error).toMatchObject({ code, retryable: false });
    expect(String(error)).toContain('StudyInstanceUID');
    expect(String(error)).not.toContain("';");
  });
});
