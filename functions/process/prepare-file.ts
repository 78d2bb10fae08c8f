/** A file on disk through the steps that every instance goes through. */
import { readFile, stat } from 'node:fs/promises';
import type { Part10 } from '../../core/dicom/data-set.ts';
import { asciiText } from '../../core/dicom/element-value.ts';
import { readPart10 } from '../../core/dicom/read-part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { prepareInstance, type PreparedInstance } from '../../core/prepare-instance.ts';
import type { ProcessPorts } from './work.ts';

export interface PreparedFile {
  /** As it is on disk. */
  readonly original: Part10;
  readonly prepared: PreparedInstance;
}

/**
 * As if the file had come from the sender that it names, when it was last written. Throws what `prepareInstance` throws, and
 * what reading the file does.
 */
export async function prepareFile(path: string, ports: ProcessPorts): Promise<PreparedFile> {
  const [bytes, { mtime }] = await Promise.all([readFile(path), stat(path)]);
  const original = readPart10(bytes);
  const source = { callingAET: senderOf(original) || ports.callingAET, callingIP: ports.callingIP, receivedAt: mtime };
  return {
    original,
    prepared: await prepareInstance(bytes, source, ports.ruleSet, ports.framePool, { encode: ports.encode }),
  };
}

/** storescp writes the calling title there. */
function senderOf({ meta }: Part10): string {
  return asciiText(meta, TAG.SourceApplicationEntityTitle) ?? '';
}
