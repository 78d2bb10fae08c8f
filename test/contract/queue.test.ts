import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArrivalsQueue, batchSize, retryDelay, type ArrivalMessage } from '../../local-cloud/arrivals-queue.ts';

const CLAIM = join(import.meta.dirname, '../support/claim-arrivals.ts');
const HOUR = 3_600_000;

describe('ArrivalsQueue', () => {
  let folder: string;
  let clock: number;
  let queue: ArrivalsQueue;

  function open(): ArrivalsQueue {
    return new ArrivalsQueue({ path: join(folder, 'queue.sqlite'), now: () => clock, random: () => 0, maxReceives: 3 });
  }
  function receive(max = 10, visibilityTimeout = 1_000): readonly ArrivalMessage[] {
    return queue.receive({ max, visibilityTimeout });
  }
  function only(messages: readonly ArrivalMessage[]): ArrivalMessage {
    expect(messages).toHaveLength(1);
    return messages[0] as ArrivalMessage;
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'storestow-queue-'));
    clock = 1_000_000;
    queue = open();
  });
  afterEach(() => {
    queue.close();
    rmSync(folder, { recursive: true });
  });

  it('hands out oldest first, at most as many as asked, each once', () => {
    queue.enqueue([{ key: 'a' }, { key: 'b' }, { key: 'c' }]);
    expect(receive(2).map(({ key }) => key)).toEqual(['a', 'b']);
    expect(receive(2).map(({ key }) => key)).toEqual(['c']);
    expect(receive(2)).toEqual([]);
    expect(queue.depth()).toEqual({ ready: 0, delayed: 0, inFlight: 3, dead: 0 });
  });

  it('tells how many could be handed out, and since when the oldest waits', () => {
    expect(queue.ready(10)).toEqual({ count: 0, age: 0 });
    queue.enqueue([{ key: 'a' }, { key: 'b' }]);
    clock += 300;
    queue.enqueue([{ key: 'c' }]);
    expect(queue.ready(10)).toEqual({ count: 3, age: 300 });
    expect(queue.ready(2)).toEqual({ count: 2, age: 300 });
    receive(2);
    expect(queue.ready(10)).toEqual({ count: 1, age: 0 });
  });

  it('forgets a message that was done', () => {
    queue.enqueue([{ key: 'a' }]);
    expect(queue.delete([only(receive()).receipt])).toBe(1);
    clock += HOUR;
    expect(receive()).toEqual([]);
  });

  it('hands out again what nobody finished in time, and voids the old receipt', () => {
    queue.enqueue([{ key: 'a' }]);
    const first = only(receive());
    clock += 1_000;
    const second = only(receive());
    expect(second.receives).toBe(2);
    expect(queue.delete([first.receipt])).toBe(0);
    expect(queue.release(first.receipt, { error: 'INTERNAL' })).toBe('gone');
    expect(queue.giveBack(first.receipt)).toBe(false);
    expect(queue.extend([first.receipt], HOUR)).toBe(0);
    expect(queue.delete([second.receipt])).toBe(1);
  });

  it('keeps a message hidden while it is extended', () => {
    queue.enqueue([{ key: 'a' }]);
    const { receipt } = only(receive());
    clock += 900;
    expect(queue.extend([receipt], 1_000)).toBe(1);
    clock += 900;
    expect(receive()).toEqual([]);
    clock += 100;
    only(receive());
  });

  it('waits longer after each failed try, then buries; queued anew it has all its tries again', () => {
    queue.enqueue([{ key: 'a' }]);
    expect(queue.release(only(receive()).receipt, { error: 'ARCHIVE_UNAVAILABLE' })).toBe('released');
    clock += 1_999;
    expect(receive()).toEqual([]);
    expect(queue.depth()).toEqual({ ready: 0, delayed: 1, inFlight: 0, dead: 0 });
    clock += 1;
    expect(queue.release(only(receive()).receipt, { error: 'ARCHIVE_UNAVAILABLE' })).toBe('released');
    clock += 7_999;
    expect(receive()).toEqual([]);
    clock += 1;
    expect(queue.release(only(receive()).receipt, { error: 'ARCHIVE_UNAUTHORIZED' })).toBe('dead');
    clock += HOUR;
    expect(receive()).toEqual([]);
    expect(queue.deadLetters()).toEqual([{ key: 'a', receives: 3, error: 'ARCHIVE_UNAUTHORIZED' }]);
    queue.enqueue([{ key: 'a' }]);
    expect(only(receive()).receives).toBe(1);
    expect(queue.deadLetters()).toEqual([]);
  });

  it('does not count a try that was given back', () => {
    queue.enqueue([{ key: 'a' }]);
    for (let turn = 0; turn < 10; turn++) {
      expect(queue.giveBack(only(receive()).receipt)).toBe(true);
    }
    expect(only(receive()).receives).toBe(1);
  });

  it('gives a message back for later, at no try either', () => {
    queue.enqueue([{ key: 'a' }]);
    for (let turn = 0; turn < 10; turn++) {
      expect(queue.giveBack(only(receive()).receipt, 499.5)).toBe(true);
      clock += 499;
      expect(receive()).toEqual([]);
      clock += 1;
    }
    expect(only(receive()).receives).toBe(1);
  });

  it('buries a message whose receiver vanished in its last try, and tells so once', () => {
    queue.enqueue([{ key: 'a' }]);
    for (let receives = 1; receives <= 3; receives++) {
      only(receive());
      expect(queue.buryExpired()).toEqual([]);
      clock += 1_000;
    }
    expect(receive()).toEqual([]);
    expect(queue.buryExpired()).toEqual([{ key: 'a', receives: 3, error: 'PROCESS_FAILED' }]);
    expect(queue.buryExpired()).toEqual([]);
    expect(queue.depth().dead).toBe(1);
  });

  it('does not add a key that waits already, but one that is under way', () => {
    queue.enqueue([{ key: 'a' }]);
    queue.enqueue([{ key: 'a' }]);
    expect(queue.depth().ready).toBe(1);
    const { receipt } = only(receive());
    queue.enqueue([{ key: 'a' }]);
    expect(queue.depth()).toEqual({ ready: 1, delayed: 0, inFlight: 1, dead: 0 });
    // Not while the first one is under way: an instance is never sent twice at the same time.
    expect(receive()).toEqual([]);
    queue.delete([receipt]);
    only(receive());
  });

  it('forgets the dead message of a key that arrives again', () => {
    queue.enqueue([{ key: 'a' }]);
    for (let receives = 1; receives <= 3; receives++) queue.release(only(receive()).receipt, { error: 'INTERNAL', delay: 0 });
    expect(queue.depth()).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 1 });
    queue.enqueue([{ key: 'a' }]);
    expect(queue.depth()).toEqual({ ready: 1, delayed: 0, inFlight: 0, dead: 0 });
  });

  it('isolates, step by step, the messages of a batch that took its process down', () => {
    const keys = Array.from({ length: 12 }, (_, index) => `k${String(index).padStart(2, '0')}`);
    queue.enqueue(keys.map((key) => ({ key })));
    const fail = (messages: readonly ArrivalMessage[]): void =>
      messages.forEach(({ receipt }) => queue.release(receipt, { error: 'PROCESS_FAILED', delay: 0 }));
    const first = receive(100);
    expect(first).toHaveLength(12);
    fail(first);
    queue.enqueue([{ key: 'fresh' }]);
    const second = receive(100);
    expect(second.map(({ key }) => key)).toEqual(keys.slice(0, 10));
    expect(receive(100)).toHaveLength(2);
    expect(receive(100).map(({ key }) => key)).toEqual(['fresh']);
    fail(second);
    expect(receive(100)).toHaveLength(1);
  });

  it('keeps what it was told when the process goes', () => {
    queue.enqueue([{ key: 'a', size: 5, etag: 'e' }]);
    queue.close();
    queue = open();
    expect(only(receive()).key).toBe('a');
  });

  it('says that it cannot be opened as an error of the family', () => {
    expect(() => new ArrivalsQueue({ path: join(folder, 'absent', 'queue.sqlite') })).toThrow(
      expect.objectContaining({ code: 'STORE_DENIED' }),
    );
  });

  it('gives each message to one of several processes', async () => {
    const keys = Array.from({ length: 200 }, (_, index) => `k${index}`);
    clock = Date.now();
    queue.enqueue(keys.map((key) => ({ key })));
    const path = join(folder, 'queue.sqlite');
    const run = promisify(execFile);
    const claims = await Promise.all(Array.from({ length: 3 }, () => run(process.execPath, [CLAIM, path])));
    const claimed = claims.flatMap(({ stdout }) => JSON.parse(stdout) as string[]);
    expect(claimed.sort()).toEqual(keys.sort());
  });
});

describe('retryDelay', () => {
  it.each([
    [1, 0, 2_000],
    [2, 0, 8_000],
    [4, 0, 128_000],
    [5, 0, 300_000],
    [60, 0, 300_000],
    [1, 1, 1_000],
    [5, 0.5, 225_000],
  ])('try %i with jitter %d waits %i ms', (receives, random, delay) => {
    expect(retryDelay(receives, 2_000, 300_000, random)).toBe(delay);
  });
});

describe('batchSize', () => {
  it.each([
    [0, 100, 100],
    [1, 100, 10],
    [1, 5, 5],
    [2, 100, 1],
    [4, 100, 1],
  ])('suspicion %i of at most %i gives %i', (suspicion, max, size) => {
    expect(batchSize(suspicion, max)).toBe(size);
  });
});
