/** Which fragments of encapsulated pixel data are of which frame (PS3.5 A.4). Pure. */
import type { Fragment } from '../dicom/data-set.ts';

/**
 * The fragments of each frame; `undefined` where that cannot be told. `fragments` without the Basic Offset Table, whose value is
 * `offsetTable`.
 *
 * | fragments                  | Basic Offset Table              | a frame's fragments        |
 * |----------------------------|---------------------------------|----------------------------|
 * | as many as frames          | any                             | one each                   |
 * | more, of one frame         | any                             | all                        |
 * | more                       | where each frame begins         | from there to the next one |
 * | otherwise                  |                                 | not told                   |
 */
export function frameFragments(
  fragments: readonly Fragment[],
  frames: number,
  offsetTable: Uint8Array,
): readonly (readonly Fragment[])[] | undefined {
  if (fragments.length === frames) return fragments.map((fragment) => [fragment]);
  if (fragments.length < frames) return undefined;
  if (frames === 1) return [fragments];
  const starts = frameStarts(fragments, frames, offsetTable);
  return starts?.map((start, frame) => fragments.slice(start, starts[frame + 1] ?? fragments.length));
}

/** For each frame, the index of its first fragment: in order, the first frame's being the first. */
function frameStarts(fragments: readonly Fragment[], frames: number, offsetTable: Uint8Array): number[] | undefined {
  if (offsetTable.length !== frames * 4) return undefined;
  const view = new DataView(offsetTable.buffer, offsetTable.byteOffset, offsetTable.byteLength);
  const first = fragments[0]?.offset ?? 0;
  const byOffset = new Map(fragments.map(({ offset }, index) => [offset - first, index]));
  const starts = Array.from({ length: frames }, (_, frame) => byOffset.get(view.getUint32(frame * 4, true)) ?? -1);
  return starts.every((start, frame) => (frame === 0 ? start === 0 : start > (starts[frame - 1] ?? 0))) ? starts : undefined;
}

const END_OF_CODESTREAM = [0xff, 0xd9] as const;

/** Without the byte that pads a fragment to even length (PS3.5 A.4): what stands behind EOC (15444-1 A.4.4). */
export function withoutPad(codestream: Uint8Array): Uint8Array {
  const last = codestream.length - 1;
  const ends = (at: number): boolean => END_OF_CODESTREAM.every((byte, index) => codestream[at - 1 + index] === byte);
  return !ends(last) && codestream[last] === 0 && ends(last - 1) ? codestream.subarray(0, last) : codestream;
}
