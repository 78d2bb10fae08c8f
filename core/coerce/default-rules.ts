/** What is coerced at every site, unless its configuration turns these off. InstitutionName comes from the institution mapping. */
import type { Rule } from './rules.ts';

export const DEFAULT_RULES: readonly Rule[] = [
  { action: 'set', target: 'NameOfPhysiciansReadingStudy', value: '-^-^-' },
  { action: 'set', target: 'StudyID', value: '29991231235959' },
  { action: 'set', target: 'ReferringPhysicianName', value: '-^-^-^-' },
  { action: 'remove', target: 'RequestingServiceCodeSequence' },
  // GE's thumbnail, a sequence with pixel data of its own; in (0009,1110) also where its block was never reserved.
  { action: 'remove', target: '(0009,xx10)[GEIIS]' },
  { action: 'remove', target: '(0009,1110)' },
];
