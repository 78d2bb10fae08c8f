/**
 * The ports of a process that lives long, by the rule set as it is now: rules and institution mapping may change while it runs, and
 * what is sent through again for that must meet the new ones.
 */
import { asStorestowError } from '../../core/errors.ts';
import type { OpenPorts } from './open-ports.ts';
import type { IngestPorts } from './ports.ts';

export class CurrentPorts {
  readonly #openPorts: () => Promise<OpenPorts>;
  #opened: Promise<OpenPorts> | undefined;

  constructor(openPorts: () => Promise<OpenPorts>) {
    this.#openPorts = openPorts;
  }

  /** Once; after a failure, anew with the next call. */
  async open(): Promise<OpenPorts> {
    this.#opened ??= this.#openPorts();
    try {
      return await this.#opened;
    } catch (error) {
      this.#opened = undefined;
      throw error;
    }
  }

  /**
   * For one invocation; two must not be under way at once. Where the rule set changed, everything is opened anew. One that cannot be
   * read leaves things as they were, for half a file may be written: that is logged with each invocation.
   */
  async ports(): Promise<IngestPorts> {
    const before = await this.open();
    const { log, ruleSet } = before.ports;
    let anew: OpenPorts | undefined;
    try {
      anew = await before.renewed();
    } catch (thrown) {
      log.error({ err: asStorestowError(thrown) }, 'rules or mapping cannot be read; those before stay in force');
    }
    if (anew === undefined) return before.ports;
    this.#opened = Promise.resolve(anew);
    log.info({ before: ruleSet.digest, rules: anew.ports.ruleSet.digest }, 'rules or mapping changed; the new ones are in force');
    await before.close();
    return anew.ports;
  }
}
