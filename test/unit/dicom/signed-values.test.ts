import { describe, expect, it } from 'vitest';

import type { DataSet, Tag } from '../../../core/dicom/data-set.ts';
import { readPart10 } from '../../../core/dicom/read-part10.ts';
import { isSigned } from '../../../core/dicom/signed-values.ts';
import { TAG } from '../../../core/dicom/tags.ts';
import { buildDicom } from '../../support/build-dicom.ts';
import type { BuiltElement } from '../../support/build-dicom.ts';

function dataSet(...elements: BuiltElement[]): DataSet {
  return readPart10(buildDicom({ elements: elements.sort((a, b) => a.tag - b.tag) })).dataSet;
}

const NOTHING = dataSet();
const UNSIGNED: BuiltElement = { tag: TAG.PixelRepresentation, vr: 'US', value: [0] };
const SIGNED: BuiltElement = { tag: TAG.PixelRepresentation, vr: 'US', value: [1] };
const MODALITY_LUT: BuiltElement = { tag: TAG.ModalityLUTSequence, vr: 'SQ', value: [[]] };

function rescale(slope: string, intercept: string, bitsStored = 12): BuiltElement[] {
  return [
    { tag: TAG.BitsStored, vr: 'US', value: [bitsStored] },
    { tag: TAG.RescaleSlope, vr: 'DS', value: slope },
    { tag: TAG.RescaleIntercept, vr: 'DS', value: intercept },
  ];
}

describe('US or SS', () => {
  it.each<[string, Tag, DataSet[], boolean]>([
    ['no PixelRepresentation', TAG.SmallestImagePixelValue, [NOTHING], false],
    ['unsigned', TAG.SmallestImagePixelValue, [dataSet(UNSIGNED)], false],
    ['signed', TAG.SmallestImagePixelValue, [dataSet(SIGNED)], true],
    ['signed around', TAG.SmallestImagePixelValue, [NOTHING, NOTHING, dataSet(SIGNED)], true],
    ['unsigned within signed', TAG.SmallestImagePixelValue, [dataSet(UNSIGNED), dataSet(SIGNED)], false],
    ['signed within unsigned', TAG.SmallestImagePixelValue, [dataSet(SIGNED), dataSet(UNSIGNED)], true],
    ['another value', TAG.SmallestImagePixelValue, [dataSet({ ...SIGNED, value: [2] })], false],
    ['a VR that is not open', TAG.Rows, [dataSet(SIGNED)], false],
    ['a palette', TAG.RedPaletteColorLookupTableDescriptor, [dataSet(SIGNED)], true],
    ['a private element', 0x00291001, [dataSet(SIGNED)], false],
  ])('%s', (_, tag, dataSets, expected) => {
    expect(isSigned(tag, { dataSets })).toBe(expected);
  });
});

describe('a LUT Descriptor', () => {
  it.each<[string, Tag, BuiltElement[], boolean]>([
    ['of the presentation: always unsigned', TAG.PresentationLUTSequence, [SIGNED], false],
    ['of the modality: as the pixels', TAG.ModalityLUTSequence, [SIGNED, MODALITY_LUT], true],
    ['of the modality: as the pixels, unsigned', TAG.ModalityLUTSequence, [UNSIGNED, MODALITY_LUT], false],
    ['of the VOI: as the pixels', TAG.VOILUTSequence, [SIGNED], true],
    ['of the VOI behind a modality LUT', TAG.VOILUTSequence, [SIGNED, MODALITY_LUT], false],
    ['of the VOI behind a rescale to Hounsfield units', TAG.VOILUTSequence, [UNSIGNED, ...rescale('1', '-1024')], true],
    ['of the VOI, signed pixels', TAG.VOILUTSequence, [SIGNED, ...rescale('1', '0')], true],
    ['of the VOI, signed pixels lifted to zero', TAG.VOILUTSequence, [SIGNED, ...rescale('1', '2048')], false],
    ['of the VOI, signed pixels lifted below zero', TAG.VOILUTSequence, [SIGNED, ...rescale('1', '2047')], true],
    ['of the VOI, unsigned pixels', TAG.VOILUTSequence, [UNSIGNED, ...rescale('2.5', '0')], false],
    ['of the VOI, unsigned pixels turned round', TAG.VOILUTSequence, [UNSIGNED, ...rescale('-1', '4094')], true],
    ['of the VOI, unsigned pixels turned round in full', TAG.VOILUTSequence, [UNSIGNED, ...rescale('-1', '4095')], false],
    ['of the VOI, a rescale that is none', TAG.VOILUTSequence, [SIGNED, ...rescale('one', '4095')], true],
    ['of the VOI, an empty rescale', TAG.VOILUTSequence, [SIGNED, ...rescale('', '')], true],
  ])('%s', (_, sequence, elements, expected) => {
    expect(isSigned(TAG.LUTDescriptor, { dataSets: [NOTHING, dataSet(...elements)], sequence })).toBe(expected);
  });
});
