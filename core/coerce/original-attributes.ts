/**
 * What was there before, in one more item of Original Attributes Sequence (PS3.3 C.12.1.1.9): previous values as they
 * were, byte for byte. Of an attribute within a sequence, the whole sequence of the top level; a private attribute together
 * with its creator. What was empty or absent is not recorded, as the standard leaves open. Items that earlier systems
 * wrote stay as they are.
 */
import { littleEndianValue } from '../dicom/byte-order.ts';
import type { Change, NewElement } from '../dicom/change.ts';
import type { DataSet, Element, Encoding, Tag } from '../dicom/data-set.ts';
import { TAG } from '../dicom/tags.ts';
import { StorestowError } from '../errors.ts';
import type { Edit } from './edit-plan.ts';
import { hasThisValue, hasValue } from './present-value.ts';
import { creatorTagOf } from './private-block.ts';

const IMPLICIT_LITTLE_ENDIAN: Encoding = { explicitVR: false, bigEndian: false };

export interface Provenance {
  readonly callingAET: string;
  readonly receivedAt: Date;
}

/** `undefined` where no edit takes the place of a value. Throws `CHANGE_NOT_APPLICABLE`. */
export function recordOriginals(dataSet: DataSet, edits: readonly Edit[], provenance: Provenance): Change | undefined {
  const previous = previousElements(dataSet, edits);
  if (previous.length === 0) return undefined;
  const copy = copierFor(dataSet);
  const item: NewElement[] = [
    { tag: TAG.ModifiedAttributesSequence, vr: 'SQ', items: [previous.map(copy)] },
    text(TAG.AttributeModificationDateTime, 'DT', dateTime(provenance.receivedAt)),
    text(TAG.ModifyingSystem, 'LO', 'storestow'),
    // Type 2, "the source that provided the SOP Instance": the peer, as it named itself. The institution is not it: the
    // mapping's name may be what was just written, and without a mapping there is only the value in question.
    text(TAG.SourceOfPreviousValues, 'LO', asciiLine(provenance.callingAET)),
    text(TAG.ReasonForTheAttributeModification, 'CS', 'COERCE'),
  ];
  return {
    kind: 'append',
    path: [],
    tag: TAG.OriginalAttributesSequence,
    item,
    reason: 'Original Attributes: previous values (PS3.3 C.12.1.1.9)',
  };
}

function previousElements(dataSet: DataSet, edits: readonly Edit[]): Element[] {
  const previous = new Map<Tag, Element>();
  for (const edit of edits) {
    const outermost = edit.holder.path[0];
    const element = outermost === undefined ? replacedBy(edit, dataSet) : dataSet.get(outermost.tag);
    if (element !== undefined) previous.set(element.tag, element);
  }
  for (const tag of [...previous.keys()]) {
    const creator = dataSet.get(creatorTagOf(tag) ?? tag);
    if (creator !== undefined && !previous.has(creator.tag)) previous.set(creator.tag, creator);
  }
  return [...previous.values()].sort((a, b) => a.tag - b.tag);
}

/** Of an attribute that is there several times (it may not be), the first value that is lost: an item has room for one. */
function replacedBy({ tag, to }: Edit, dataSet: DataSet): Element | undefined {
  return dataSet.elements.find(
    (element) =>
      element.tag === tag &&
      hasValue(dataSet, element) &&
      (to.kind === 'remove' || !hasThisValue(dataSet, element, to.vr, to.value)),
  );
}

/** A raw copy, unless the present sequence's items have another encoding than the data set: those of UN do (PS3.5 6.2.2). */
function copierFor(dataSet: DataSet): (element: Element) => NewElement {
  const present = dataSet.get(TAG.OriginalAttributesSequence);
  if (present !== undefined && present.items === undefined && present.length > 0) {
    throw new StorestowError(
      'CHANGE_NOT_APPLICABLE',
      'OriginalAttributesSequence holds no items that can be told apart, so none can be added; set coerce.originalAttributes to false for this source',
    );
  }
  const { explicitVR, bigEndian } =
    present?.items?.[0]?.dataSet.encoding ?? (present?.vr === 'UN' ? IMPLICIT_LITTLE_ENDIAN : dataSet.encoding);
  const sameEncoding = explicitVR === dataSet.encoding.explicitVR && bigEndian === dataSet.encoding.bigEndian;
  return sameEncoding
    ? (element) => ({ tag: element.tag, raw: dataSet.bytes.subarray(element.offset, element.end) })
    : (element) => reencodable(dataSet, element);
}

/** As an element that can be written in another encoding. */
function reencodable(dataSet: DataSet, element: Element): NewElement {
  const { tag, vr, items, fragments } = element;
  if (items !== undefined) {
    return { tag, vr: 'SQ', items: items.map((item) => item.dataSet.elements.map((inner) => reencodable(item.dataSet, inner))) };
  }
  if (fragments !== undefined || vr === 'SQ') {
    throw new StorestowError(
      'CHANGE_NOT_APPLICABLE',
      'previous values with fragments cannot be recorded in the encoding of OriginalAttributesSequence; set coerce.originalAttributes to false for this source',
    );
  }
  return { tag, vr, value: littleEndianValue(dataSet, element) };
}

function text(tag: Tag, vr: 'CS' | 'DT' | 'LO', value: string): NewElement {
  return { tag, vr, value: Buffer.from(value, 'latin1') };
}

/** In every character set of DICOM; the title came from the network. Anything else: unknown, which type 2 writes as empty. */
function asciiLine(title: string): string {
  const trimmed = title.trim();
  return /^[ -[\]-}]{1,64}$/.test(trimmed) ? trimmed : '';
}

/** DT in UTC (PS3.5 6.2). */
function dateTime(time: Date): string {
  return `${time.toISOString().replace(/[-:TZ]/g, '')}+0000`;
}
