import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { CurrentPorts } from '../../../functions/ingest/current-ports.ts';
import type { OpenPorts } from '../../../functions/ingest/open-ports.ts';
import { ingestDouble } from '../../support/ingest-double.ts';

/** A rule set that changes under a process: `now` is what stands in the file. */
function double(): { now: string | StorestowError; opened: string[]; closed: string[]; current: CurrentPorts } {
  const made: ReturnType<typeof double> = { now: 'a', opened: [], closed: [], current: undefined as never };
  const read = (): string => {
    if (made.now instanceof StorestowError) throw made.now;
    return made.now;
  };
  const open = async (): Promise<OpenPorts> => {
    const digest = read();
    made.opened.push(digest);
    const { ports } = ingestDouble();
    return {
      ports: { ...ports, ruleSet: { digest, json: '{}' } },
      warm: Promise.resolve(),
      renewed: async () => (read() === digest ? undefined : open()),
      close: async () => void made.closed.push(digest),
    };
  };
  made.current = new CurrentPorts(open);
  return made;
}

const BROKEN = new StorestowError('MAPPING_INVALID', 'half a file');

describe('CurrentPorts', () => {
  it('opens once while nothing changes', async () => {
    const made = double();
    const [one, two] = [await made.current.ports(), await made.current.ports()];
    expect(one).toBe(two);
    expect(made.opened).toEqual(['a']);
  });

  it('opens anew where the rule set changed, and closes what was', async () => {
    const made = double();
    await made.current.ports();
    made.now = 'b';
    expect((await made.current.ports()).ruleSet.digest).toBe('b');
    expect((await made.current.ports()).ruleSet.digest).toBe('b');
    expect(made).toMatchObject({ opened: ['a', 'b'], closed: ['a'] });
  });

  it('stays with what was where the rule set cannot be read, until it can', async () => {
    const made = double();
    await made.current.ports();
    made.now = BROKEN;
    expect((await made.current.ports()).ruleSet.digest).toBe('a');
    expect(made.closed).toEqual([]);
    made.now = 'b';
    expect((await made.current.ports()).ruleSet.digest).toBe('b');
  });

  it('throws where nothing could be opened at all, and tries again', async () => {
    const made = double();
    made.now = BROKEN;
    await expect(made.current.ports()).rejects.toMatchObject({ code: 'MAPPING_INVALID' });
    made.now = 'a';
    expect((await made.current.ports()).ruleSet.digest).toBe('a');
  });
});
