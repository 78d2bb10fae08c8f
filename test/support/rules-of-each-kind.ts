/** Rules of each kind, and the source of what they coerce. */
import type { Source } from '../../core/coerce/coerce.ts';
import { DEFAULT_RULES } from '../../core/coerce/default-rules.ts';
import type { RuleSet } from '../../core/coerce/rule-set.ts';

export const SOURCE: Source = { callingAET: 'CT1', callingIP: '10.0.0.5', receivedAt: new Date('2026-11-24T09:30:00.123Z') };
export const RULES: RuleSet = {
  rules: [
    ...DEFAULT_RULES,
    { action: 'set', target: 'RequestAttributesSequence[*].ScheduledProcedureStepID', value: 'X' },
    { action: 'setIfEmpty', target: 'StationName', value: 'unknown' },
    { action: 'set', target: '(0029,xx01)[SITE]', value: 'x', vr: 'LO' },
  ],
  institutions: new Map([['CT1', 'Example Hospital']]),
  unknownSource: 'quarantine',
  originalAttributes: true,
};
