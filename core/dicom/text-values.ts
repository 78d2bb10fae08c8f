/** An element's text, as people read it. */
import { characterSetOf, decodeText } from './character-set.ts';
import type { DataSet, Element } from './data-set.ts';
import { valueBytes } from './element-value.ts';

/** The values in the character set in force (PS3.5 6.1.2), without padding. Throws `UNKNOWN_CHARACTER_SET`. */
export function textValues(dataSet: DataSet, element: Element): string[] {
  return decodeText(valueBytes(dataSet, element), element.vr, characterSetOf(dataSet));
}
