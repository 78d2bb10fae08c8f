/** What an archive gives back of an instance (WADO-RS), whole in memory. */
import type { DicomWeb } from '../../core/stow/dicomweb.ts';
import { placeOfPart } from '../../core/stow/place-of-part.ts';
import { retrieveToFile, type InstanceReference } from '../../core/stow/wado.ts';

export async function retrieve(web: DicomWeb, reference: InstanceReference): Promise<Uint8Array> {
  const file = await retrieveToFile(web, reference);
  try {
    return await file.read(0, file.length);
  } finally {
    await file.close();
  }
}

/** The only part of an answer; `undefined` where it has none. */
export function onlyPart(contentType: string, body: Uint8Array): Uint8Array | undefined {
  const place = placeOfPart(contentType, { head: body, tail: body, length: body.length });
  return place === undefined ? undefined : body.subarray(place.start, place.end);
}
