/** Texts for the index. */
import { decodeText, DEFAULT_CHARACTER_SET } from '../../core/dicom/character-set.ts';
import type { DataSet, Element } from '../../core/dicom/data-set.ts';
import { valueBytes } from '../../core/dicom/element-value.ts';
import { textValues } from '../../core/dicom/text-values.ts';
import { asStorestowError } from '../../core/errors.ts';

/** Never throws: in a character set that nobody knows, as dcm4che has it, what is not ASCII becomes U+FFFD. */
export function readableTexts(dataSet: DataSet, element: Element): readonly string[] {
  try {
    return textValues(dataSet, element);
  } catch (thrown) {
    if (asStorestowError(thrown).code !== 'UNKNOWN_CHARACTER_SET') throw thrown;
    return decodeText(valueBytes(dataSet, element), element.vr, DEFAULT_CHARACTER_SET);
  }
}
