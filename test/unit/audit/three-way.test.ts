import { describe, expect, it } from 'vitest';
import {
  compareThreeWays,
  threeWayVerdict,
  type HeldInstance,
  type ReceivedInstance,
  type ThreeWayVerdict,
} from '../../../core/audit/three-way.ts';

const STATUSES = ['stowed', 'quarantined', 'failed', 'pending'] as const;

describe('threeWayVerdict', () => {
  const table: [
    received: boolean,
    bucket: (typeof STATUSES)[number] | 'absent',
    archive: boolean | undefined,
    verdict: ThreeWayVerdict,
  ][] = [
    [true, 'absent', false, 'lost'],
    [true, 'absent', undefined, 'archive-not-asked'],
    [true, 'stowed', undefined, 'archive-not-asked'],
    [false, 'stowed', undefined, 'archive-not-asked'],
    [true, 'absent', true, 'not-in-bucket'],
    [false, 'absent', true, 'only-in-archive'],
    [true, 'stowed', true, 'agrees'],
    [true, 'stowed', false, 'not-in-archive'],
    [false, 'stowed', false, 'not-in-archive'],
    [false, 'stowed', true, 'not-in-manifest'],
    ...(['quarantined', 'failed'] as const).flatMap((bucket) =>
      [true, false].flatMap((received) =>
        [true, false, undefined].map((archive): [boolean, 'quarantined' | 'failed', boolean | undefined, ThreeWayVerdict] => [
          received,
          bucket,
          archive,
          'set-aside',
        ]),
      ),
    ),
    ...[true, false].flatMap((received) =>
      [true, false, undefined].map((archive): [boolean, 'pending', boolean | undefined, ThreeWayVerdict] => [
        received,
        'pending',
        archive,
        'pending',
      ]),
    ),
  ];
  it.each(table)('received %j, bucket %s, archive %j: %s', (received, bucket, archive, verdict) => {
    const held = bucket === 'absent' ? undefined : { size: 10, status: bucket };
    expect(threeWayVerdict(received ? { size: 10 } : undefined, held, archive)).toBe(verdict);
  });

  it.each(STATUSES)('another size than was received: altered, %s or not', (status) => {
    for (const archive of [true, false, undefined])
      expect(threeWayVerdict({ size: 10 }, { size: 9, status }, archive)).toBe('altered');
  });
});

describe('compareThreeWays', () => {
  const received = (key: string, sop: string, address?: string): ReceivedInstance => ({
    key,
    sopInstanceUID: sop,
    size: 10,
    ...(address === undefined ? {} : { address }),
  });
  const held = (key: string, sop: string, status: HeldInstance['status'], address?: string): HeldInstance => ({
    ...received(key, sop, address),
    status,
  });

  it('has a row for each object and each stranger, the worst first', () => {
    const rows = compareThreeWays({
      received: [received('a', '1', 'x'), received('a', '1', 'x'), received('b', '2', 'x'), received('d', '4', 'x')],
      held: [
        held('a', '1', 'stowed', 'x'),
        { ...held('c', '3', 'quarantined', 'x'), reason: 'MALFORMED' },
        held('d', '4', 'stowed', 'x'),
      ],
      listed: new Map([['x', new Set(['1', '9', '10'])]]),
    });
    expect(rows).toEqual([
      { verdict: 'lost', sopInstanceUID: '2', key: 'b', received: true, bucket: 'absent', archive: false },
      { verdict: 'not-in-archive', sopInstanceUID: '4', key: 'd', received: true, bucket: 'stowed', archive: false },
      {
        verdict: 'set-aside',
        sopInstanceUID: '3',
        key: 'c',
        received: false,
        bucket: 'quarantined',
        reason: 'MALFORMED',
        archive: false,
      },
      { verdict: 'only-in-archive', sopInstanceUID: '10', received: false, bucket: 'absent', archive: true },
      { verdict: 'only-in-archive', sopInstanceUID: '9', received: false, bucket: 'absent', archive: true },
      { verdict: 'agrees', sopInstanceUID: '1', key: 'a', received: true, bucket: 'stowed', archive: true },
    ]);
  });

  it('looks for an instance in its own archive; where that cannot be told, in any, and calls nothing lost', () => {
    const listed = new Map([
      ['x', new Set(['1', '2'])],
      ['y', new Set<string>()],
    ]);
    const verdicts = compareThreeWays({
      received: [received('a', '1', 'y'), received('b', '2'), received('c', '3')],
      held: [held('a', '1', 'stowed', 'y')],
      listed,
    }).map(({ key, verdict, archive }) => [key, verdict, archive]);
    expect(verdicts).toEqual([
      ['c', 'archive-not-asked', undefined],
      ['a', 'not-in-archive', false],
      ['b', 'not-in-bucket', true],
    ]);
  });

  it('two contents under one SOP Instance UID are two rows', () => {
    const rows = compareThreeWays({
      received: [received('a', '1', 'x'), received('b', '1', 'x')],
      held: [held('a', '1', 'stowed', 'x'), held('b', '1', 'quarantined', 'x')],
      listed: new Map([['x', new Set(['1'])]]),
    });
    expect(rows.map(({ verdict }) => verdict)).toEqual(['set-aside', 'agrees']);
  });
});
