import { describe, expect, it } from 'vitest';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { lacksPixels } from '../../../local-uploader/arrival/lacks-pixels.ts';
import { buildDicom, encapsulated, imageElements, J2K_LOSSLESS, type BuiltElement } from '../../support/build-dicom.ts';

const STORAGE = '1.2.840.10008.5.1.4.1.1.';
const PIXELS = 0x7fe00010;
/** The first element of the group that describes an image. */
const SAMPLES_PER_PIXEL = 0x00280002;

function lacks(elements: readonly BuiltElement[], transferSyntaxUID?: string): boolean {
  return lacksPixels(
    readPart10(buildDicom({ elements, ...(transferSyntaxUID === undefined ? {} : { transferSyntaxUID }) })).dataSet,
  );
}

/** An instance of a class that ends before a tag. */
function cut(sopClassUID: string, before: number): BuiltElement[] {
  return imageElements({ sopClassUID }).filter(({ tag }) => tag < before);
}

describe('lacksPixels', () => {
  it.each([
    ['pixels', undefined, imageElements()],
    ['pixels of no bytes', undefined, imageElements({ pixels: new Uint8Array() })],
    ['fragments', J2K_LOSSLESS, imageElements({ extra: [encapsulated(new Uint8Array(), new Uint8Array(4))] })],
    ['numbers with a point', undefined, [...cut(`${STORAGE}30`, PIXELS), { tag: 0x7fe00008, vr: 'OF', value: [1] }]],
    ['doubles', undefined, [...cut(`${STORAGE}30`, PIXELS), { tag: 0x7fe00009, vr: 'OD', value: [1] }]],
    ['an address of them', undefined, [...cut(`${STORAGE}2`, PIXELS), { tag: 0x00287fe0, vr: 'UR', value: 'http://x' }]],
    ['a spectrum', undefined, [...cut(`${STORAGE}4.2`, PIXELS), { tag: 0x56000020, vr: 'OF', value: [1] }]],
  ])('is not so of one with %s', (_, syntax, elements) => {
    expect(lacks(elements, syntax)).toBe(false);
  });

  it.each([
    '1',
    '1.1',
    '1.2.1',
    '2',
    '2.1',
    '3.1',
    '4',
    '4.1',
    '6.1',
    '7',
    '7.4',
    '12.1',
    '13.1.1',
    '20',
    '30',
    '66.4',
    '77.1.5.1',
    '77.1.6',
    '128',
    '128.1',
    '130',
    '481.1',
  ])('is so of the image class …%s, cut before its description or after it', (last) => {
    expect(lacks(cut(STORAGE + last, SAMPLES_PER_PIXEL))).toBe(true);
    expect(lacks(cut(STORAGE + last, PIXELS))).toBe(true);
  });

  it.each([
    '4.2',
    '9.1.1',
    '11.1',
    '66',
    '66.1',
    '66.5',
    '67',
    '77.1.5.3',
    '78.1',
    '88.11',
    '88.59',
    '104.1',
    '481.2',
    '481.3',
    '481.5',
  ])('is not so of the class …%s without Rows and Columns', (last) => {
    expect(lacks(cut(STORAGE + last, SAMPLES_PER_PIXEL))).toBe(false);
  });

  it('is so of a private class with Rows and Columns, and not without', () => {
    expect(lacks(cut('1.3.12.2.1107.5.9.2', PIXELS))).toBe(true);
    expect(lacks(cut('1.3.12.2.1107.5.9.2', SAMPLES_PER_PIXEL))).toBe(false);
  });
});
