/** Which instances go into which STOW-RS request. Pure. */
import { BODY_OVERHEAD, PART_OVERHEAD } from './multipart-body.ts';

export interface RequestLimits {
  /** Instances of one request, at least 1. */
  readonly maxInstances: number;
  /** Bytes of one request's body, framing included. */
  readonly maxBytes: number;
}

interface Plannable {
  readonly studyInstanceUID: string;
  /** Bytes. */
  readonly length: number;
}

/**
 * Requests of one study each, filled in the order given; studies in the order of their first instance.
 *
 * | the instance                                   | goes                            |
 * |------------------------------------------------|---------------------------------|
 * | is the first of its study                      | into a new request              |
 * | fits the study's last request (both limits)    | into that                       |
 * | does not fit                                   | into a new request              |
 * | is larger than `maxBytes`                      | alone: into a new request, and the next one opens another |
 */
export function planRequests<Instance extends Plannable>(
  instances: readonly Instance[],
  { maxInstances, maxBytes }: RequestLimits,
): readonly (readonly Instance[])[] {
  const byStudy = Map.groupBy(instances, ({ studyInstanceUID }) => studyInstanceUID);
  return [...byStudy.values()].flatMap((ofStudy) => {
    const requests: Instance[][] = [];
    let bytes = 0;
    for (const instance of ofStudy) {
      const size = instance.length + PART_OVERHEAD;
      const last = requests.at(-1);
      if (last !== undefined && last.length < maxInstances && bytes + size <= maxBytes) {
        last.push(instance);
        bytes += size;
      } else {
        requests.push([instance]);
        bytes = BODY_OVERHEAD + size;
      }
    }
    return requests;
  });
}
