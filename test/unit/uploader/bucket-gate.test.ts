import { beforeEach, describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { createLog } from '../../../core/logging.ts';
import { BucketGate } from '../../../local-uploader/outage/bucket-gate.ts';

const RETRIES = { retries: 0, firstDelay: 1, maxDelay: 1 };
const small = (name: string): { name: string; large: boolean } => ({ name, large: false });
const large = (name: string): { name: string; large: boolean } => ({ name, large: true });

describe('a gate in an outage', () => {
  let gate: BucketGate;

  /** One file finds out that the bucket is away, and the round ends. */
  beforeEach(async () => {
    gate = new BucketGate({ log: createLog({ level: 'silent' }), now: () => new Date() });
    gate.beginRound();
    const away = new StorestowError('STORE_UNAVAILABLE', 'away');
    await expect(gate.attempt({ sent: 'instance', name: 'first' }, () => Promise.reject(away), RETRIES)).rejects.toBe(away);
    gate.endRound({ whole: true });
    expect(gate.bucket.state).toBe('out');
  });

  it('is still asking when the file to ask with is found late: listing took longer than the look at it', () => {
    gate.beginRound();
    for (let looks = 1; looks <= 5; looks++) {
      gate.goOn();
      expect(gate.bucket.state, `look ${looks}`).toBe('probing');
    }
    expect(gate.refusal(small('found late'))).toBeUndefined();
  });

  it('what was tried in vain before the round went on may be asked with again', () => {
    gate.beginRound();
    const { rounds } = gate;
    gate.goOn();
    expect(gate.rounds).toBe(rounds + 1);
    expect(gate.refusal(small('first'))).toBeUndefined();
  });

  it('asks with a large file where nothing else waits, though a folder could not be looked at', () => {
    gate.beginRound();
    expect(gate.refusal(large('a'))).toBeDefined();
    gate.endRound({ whole: false });
    gate.beginRound();
    expect(gate.refusal(large('a'))).toBeUndefined();
  });

  it('asks with a large file within a round that lasts, where the look at it met nothing else', () => {
    gate.beginRound();
    expect(gate.refusal(large('a'))).toBeDefined();
    gate.goOn();
    expect(gate.bucket.state).toBe('probing');
    expect(gate.refusal(large('a'))).toBeUndefined();
  });

  it('leaves large files alone while nothing was met at all: what lies there is still being listed', () => {
    gate.beginRound();
    gate.goOn();
    expect(gate.refusal(large('a'))).toBeDefined();
  });

  it('says that nothing waits only where nothing was refused since the round of the spool began', () => {
    gate.beginRound();
    gate.endRound({ whole: false });
    expect(gate.bucket.state).toBe('out');
    expect(gate.refusal(small('refused early'))).toBeDefined();
    gate.goOn();
    expect(gate.bucket.state).toBe('probing');
    gate.endRound({ whole: true });
    expect(gate.bucket.state).toBe('probing');
    gate.beginRound();
    gate.endRound({ whole: true });
    expect(gate.bucket.state).toBe('taking');
  });
});
