/** The options by which commands choose objects of the bucket, and the filter that they make. */
import type { AuditFilter } from '../core/audit/query.ts';
import { Command, InvalidArgumentError } from './command.ts';

/** An alias and no interface, as commander's types ask for an index signature. */
export type FilterOptions = {
  readonly institution?: string | undefined;
  readonly study?: string | undefined;
  readonly reason?: string | undefined;
  readonly site?: string | undefined;
  readonly callingAet?: string | undefined;
  readonly receivedFrom?: Date | undefined;
  readonly receivedTo?: Date | undefined;
  readonly outcomeFrom?: Date | undefined;
  readonly outcomeTo?: Date | undefined;
};

function date(text: string): Date {
  const value = new Date(text);
  if (Number.isNaN(value.getTime())) throw new InvalidArgumentError('expected a date, 2026-11-24 or 2026-11-24T08:00:00Z.');
  return value;
}

/** A command that takes them, in the group `Filter`, which options that follow join. */
export function filteredCommand(name: string): Command<[], FilterOptions> {
  return new Command(name)
    .optionsGroup('Filter:')
    .option('--institution <name>', 'the institution that was set')
    .option('--study <uid>', 'Study Instance UID')
    .option('--reason <code>', 'reason of quarantined or failed, as UNKNOWN_SOURCE')
    .option('--site <name>', 'site of the receiver')
    .option('--calling-aet <title>', 'AE title of the sender')
    .option('--received-from <date>', 'received at or after, ISO 8601', date)
    .option('--received-to <date>', 'received before, ISO 8601', date)
    .option('--outcome-from <date>', 'outcome at or after, ISO 8601', date)
    .option('--outcome-to <date>', 'outcome before, ISO 8601', date);
}

export function filterOf(options: FilterOptions): AuditFilter {
  const filter = {
    institution: options.institution,
    studyInstanceUID: options.study,
    reason: options.reason,
    site: options.site,
    callingAET: options.callingAet,
    receivedFrom: options.receivedFrom,
    receivedTo: options.receivedTo,
    outcomeFrom: options.outcomeFrom,
    outcomeTo: options.outcomeTo,
  };
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
}
