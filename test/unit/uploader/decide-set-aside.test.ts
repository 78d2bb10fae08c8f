import { describe, expect, it } from 'vitest';
import { decideSetAside, type Aside } from '../../../local-uploader/spool/decide-set-aside.ts';

const TABLE: readonly (readonly [outcome: string, age: number, aside: Aside | undefined])[] = [
  ['foreign', 0, undefined],
  ['foreign', 599, undefined],
  ['foreign', 600, 'foreign'],
  ['foreign', -599, undefined],
  ['foreign', -600, 'foreign'],
  ['damaged', 599, undefined],
  ['damaged', 600, 'damaged'],
  ['damaged', 1e9, 'damaged'],
  ['failed', 1e9, undefined],
  ['waiting', 1e9, undefined],
  ['uploaded', 1e9, undefined],
  ['present', 1e9, undefined],
];

describe('decideSetAside', () => {
  it.each(TABLE)('%s, last write %d s ago → %s', (outcome, age, aside) => {
    expect(decideSetAside({ outcome, age })).toBe(aside);
  });
});
