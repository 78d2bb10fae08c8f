/** Whether a file that is not uploaded leaves the folders that are swept: a function of what it is and how long it was quiet. */
import { RECEIVING_ABANDONED_AFTER } from '../../core/spool-layout.ts';

/** Also the name of the folder below `set-aside/`. */
export type Aside = 'foreign' | 'damaged';

export const ASIDES: readonly Aside[] = ['foreign', 'damaged'];

/**
 * | file                             | last write                                         | decision                          |
 * |----------------------------------|----------------------------------------------------|-----------------------------------|
 * | foreign, or damaged              | `RECEIVING_ABANDONED_AFTER` seconds ago, or before | aside: foreign, or damaged        |
 * |                                  | ahead of us by as much                             | the same: a wrong clock           |
 * |                                  | since                                              | stays, and is looked at again     |
 * | anything else                    | any                                                | stays                             |
 *
 * Until then somebody may be about to write the rest of it, or to take it away.
 */
export function decideSetAside({ outcome, age }: { readonly outcome: string; readonly age: number }): Aside | undefined {
  const aside = ASIDES.find((one) => one === outcome);
  return Math.abs(age) < RECEIVING_ABANDONED_AFTER ? undefined : aside;
}
