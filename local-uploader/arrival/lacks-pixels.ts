/** Whether a data set is that of an image whose pixels are missing: cut before them, they come last. */
import type { DataSet } from '../../core/dicom/data-set.ts';
import { asciiText } from '../../core/dicom/element-value.ts';
import { TAG } from '../../core/dicom/tags.ts';

const STORAGE = '1.2.840.10008.5.1.4.1.1.';
/**
 * The classes of PS3.4 B.5 that are images by what follows `STORAGE`, with all below them: radiography, CT, ultrasound, MR (not its
 * spectroscopy, 4.2), secondary capture, angiography, intravascular OCT, nuclear medicine, parametric maps, segmentations, visible light
 * (not stereometric relationships, 77.1.5.3), PET, RT images. RT Dose may have none.
 */
const IMAGES = /^(?:1|2|3|4(?!\.2$)|5|6|7|12|13|14|20|30|66\.4|66\.7|77\.1(?!\.5\.3$)|128|130|481\.1)(?:\.\d+)*$/;

/** Any of these is what an image, or a spectrum of Rows and Columns, consists of. */
const CONTENT = [TAG.PixelData, TAG.FloatPixelData, TAG.DoubleFloatPixelData, TAG.PixelDataProviderURL, TAG.SpectroscopyData];

/** Private classes with Rows and Columns count as images, too. */
export function lacksPixels(dataSet: DataSet): boolean {
  if (CONTENT.some((tag) => dataSet.get(tag) !== undefined)) return false;
  const hasSize = dataSet.get(TAG.Rows) !== undefined && dataSet.get(TAG.Columns) !== undefined;
  return hasSize || isImageClass(asciiText(dataSet, TAG.SOPClassUID) ?? '');
}

function isImageClass(uid: string): boolean {
  return uid.startsWith(STORAGE) && IMAGES.test(uid.slice(STORAGE.length));
}
