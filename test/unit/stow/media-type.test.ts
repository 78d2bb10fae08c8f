import { describe, expect, it } from 'vitest';
import { negotiate, parseMediaType } from '../../../local-cloud/archive/media-type.ts';

describe('parseMediaType', () => {
  it('reads names and parameters in any case, quoted or not', () => {
    const { name, parameters } = parseMediaType('Multipart/Related; Type="application/dicom; x"; Boundary=b-1');
    expect(name).toBe('multipart/related');
    expect(Object.fromEntries(parameters)).toEqual({ type: 'application/dicom; x', boundary: 'b-1' });
  });
});

describe('negotiate', () => {
  const offered = ['application/dicom+xml', 'application/dicom+json'];

  it.each([
    [undefined, 'application/dicom+xml'],
    ['*/*', 'application/dicom+xml'],
    ['application/*', 'application/dicom+xml'],
    ['application/dicom+json', 'application/dicom+json'],
    ['application/dicom+json;q=0.1, application/dicom+xml', 'application/dicom+xml'],
    ['text/html, application/dicom+json;q=0.5', 'application/dicom+json'],
    ['application/json', undefined],
    ['application/dicom+json;q=0', undefined],
  ])('%s → %s', (accept, chosen) => {
    expect(negotiate(accept, offered)).toBe(chosen);
  });
});
