/** What follows a request: nothing, the same again after a while, or its instances in smaller requests until a guilty one stands alone. Pure. */
import type { Listing } from './decide-outcome.ts';
import type { Verdict } from './read-answer.ts';

/** What is known of one instance of the request. */
export interface Answered {
  readonly verdict: Verdict;
  readonly listing: Listing;
}

/** Whether the archive asked to come later, and it was waited. `too long`: longer than there is patience for. */
export type Waiting = 'waited' | 'too long' | 'not asked for';

/** `indices` of the instances that are sent again: those that the archive does not have. */
export type Resend =
  | { readonly kind: 'done' }
  | { readonly kind: 'halt' }
  | { readonly kind: 'again' | 'halve' | 'shrink'; readonly indices: readonly number[] };

/**
 * | the request                                   | of its instances the archive lists     | then                                      |
 * |-----------------------------------------------|----------------------------------------|-------------------------------------------|
 * | was turned away as a whole                    | not asked                              | halt: each other one would be             |
 * | answered for each instance                    | –                                      | done                                      |
 * | too large, of several instances               | not all; or it was not asked           | shrink: the missing, in smaller requests  |
 * | broke (drop, 5xx, 400 or 409 naming none), of several instances | not all, and it was asked | halve: the missing, in two requests |
 * | broke, and the archive is under suspicion     | none                                   | done: it breaks whatever it is sent       |
 * | busy (429, 503), and it was waited            | not all, and it was asked              | again: the missing                        |
 * | busy for longer than it is waited             | –                                      | halt                                      |
 * | silent                                        | –                                      | done: it may still be at them             |
 * | any of these                                  | all, or it could not be asked          | done                                      |
 * | of one instance                               | –                                      | done (busy aside): the guilty one stands alone |
 *
 * So an archive that is down is not hammered: it turns away, or cannot be asked.
 */
export function decideResend(answered: readonly Answered[], waiting: Waiting, suspected: boolean): Resend {
  if (answered.some(({ verdict }) => verdict.kind === 'rejected')) return { kind: 'halt' };
  const troubled = answered.flatMap(({ verdict, listing }, index) => {
    const trouble = verdict.kind === 'unknown' ? verdict.trouble : undefined;
    return trouble === undefined || listing === 'listed' ? [] : [{ index, trouble, listing }];
  });
  const [first] = troubled;
  if (first === undefined) return { kind: 'done' };
  const { trouble } = first;
  if (trouble === 'busy' && waiting === 'too long') return { kind: 'halt' };
  const absent = troubled.filter(({ listing }) => listing === 'absent').map(({ index }) => index);
  const alone = answered.length === 1;
  switch (trouble) {
    case 'too large': {
      const unanswered = troubled.some(({ listing }) => listing === 'unanswered');
      return alone || unanswered ? { kind: 'done' } : { kind: 'shrink', indices: troubled.map(({ index }) => index) };
    }
    case 'broken':
      return alone || absent.length === 0 || (suspected && absent.length === answered.length)
        ? { kind: 'done' }
        : { kind: 'halve', indices: absent };
    case 'silent':
      return { kind: 'done' };
    case 'busy':
      return waiting === 'waited' && absent.length > 0 ? { kind: 'again', indices: absent } : { kind: 'done' };
  }
}
