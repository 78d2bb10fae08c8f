/** A study as its uploader received it, as the bucket holds it, and as the archive lists it, laid side by side. Pure. */
import type { Status } from './record.ts';

/** An instance as a manifest names it. */
export interface ReceivedInstance {
  readonly key: string;
  readonly sopInstanceUID: string;
  /** Bytes. */
  readonly size: number;
  /** Of the archive that it belongs to; absent where that cannot be told. */
  readonly address?: string;
}

/** An object of the bucket. */
export interface HeldInstance extends ReceivedInstance {
  /** `pending`: no outcome yet. */
  readonly status: Status['kind'] | 'pending';
  readonly reason?: string;
}

export interface StudyThreeWays {
  /** Of all manifests; an instance may stand in several. */
  readonly received: readonly ReceivedInstance[];
  readonly held: readonly HeldInstance[];
  /** By address: the SOP Instance UIDs that are listed there. */
  readonly listed: ReadonlyMap<string, ReadonlySet<string>>;
}

export const THREE_WAY_VERDICTS = [
  'lost',
  'archive-not-asked',
  'altered',
  'not-in-archive',
  'set-aside',
  'pending',
  'not-in-bucket',
  'not-in-manifest',
  'only-in-archive',
  'agrees',
] as const;
export type ThreeWayVerdict = (typeof THREE_WAY_VERDICTS)[number];

export interface ThreeWayRow {
  readonly verdict: ThreeWayVerdict;
  readonly sopInstanceUID: string;
  /** Absent where only the archive has it. */
  readonly key?: string;
  readonly received: boolean;
  /** `absent`: no object. */
  readonly bucket: HeldInstance['status'] | 'absent';
  /** Of `quarantined` and `failed`. */
  readonly reason?: string;
  /** By SOP Instance UID: whether it has this content is for `audit verify` to say. Absent: the one that it belongs to is not known. */
  readonly archive?: boolean;
}

/**
 * | received | bucket              | archive | verdict                                                        |
 * |----------|---------------------|---------|----------------------------------------------------------------|
 * | yes      | absent              | no      | lost                                                           |
 * | yes      | absent              | unknown | archive-not-asked                                              |
 * | yes      | another size        | any     | altered                                                        |
 * | any      | stowed              | no      | not-in-archive                                                 |
 * | any      | stowed              | unknown | archive-not-asked                                              |
 * | any      | quarantined, failed | any     | set-aside: what the archive has is then not this, or not known |
 * | any      | pending             | any     | pending                                                        |
 * | yes      | absent              | yes     | not-in-bucket: deleted, or expired after it was stowed         |
 * | no       | stowed              | yes     | not-in-manifest: from before there were any, or put by hand    |
 * | no       | absent              | yes     | only-in-archive: it came there another way                     |
 * | yes      | stowed              | yes     | agrees                                                         |
 */
export function threeWayVerdict(
  received: Pick<ReceivedInstance, 'size'> | undefined,
  held: Pick<HeldInstance, 'size' | 'status'> | undefined,
  archive: boolean | undefined,
): ThreeWayVerdict {
  if (held === undefined) {
    if (received === undefined) return 'only-in-archive';
    if (archive === undefined) return 'archive-not-asked';
    return archive ? 'not-in-bucket' : 'lost';
  }
  if (received !== undefined && received.size !== held.size) return 'altered';
  switch (held.status) {
    case 'quarantined':
    case 'failed':
      return 'set-aside';
    case 'pending':
      return 'pending';
    case 'stowed':
      if (archive === undefined) return 'archive-not-asked';
      if (!archive) return 'not-in-archive';
      return received === undefined ? 'not-in-manifest' : 'agrees';
  }
}

/** A row for each object that was received or is held, and for each instance that only the archive has; the worst first. */
export function compareThreeWays({ received, held, listed }: StudyThreeWays): readonly ThreeWayRow[] {
  const receivedByKey = new Map(received.map((instance) => [instance.key, instance]));
  const heldByKey = new Map(held.map((instance) => [instance.key, instance]));
  const rows = [...new Set([...receivedByKey.keys(), ...heldByKey.keys()])].map((key) =>
    rowOf(receivedByKey.get(key), heldByKey.get(key), listed),
  );
  const known = new Set([...received, ...held].map(({ sopInstanceUID }) => sopInstanceUID));
  const strangers = [...new Set([...listed.values()].flatMap((uids) => [...uids]))].filter((uid) => !known.has(uid));
  return [...rows, ...strangers.map(strangerRow)].sort(byGravity);
}

function rowOf(
  received: ReceivedInstance | undefined,
  held: HeldInstance | undefined,
  listed: StudyThreeWays['listed'],
): ThreeWayRow {
  const { key, sopInstanceUID, address } = { ...received, ...held } as ReceivedInstance;
  const archive = isListed(sopInstanceUID, address, listed);
  return {
    verdict: threeWayVerdict(received, held, archive),
    sopInstanceUID,
    key,
    received: received !== undefined,
    bucket: held?.status ?? 'absent',
    ...(held?.reason === undefined ? {} : { reason: held.reason }),
    ...(archive === undefined ? {} : { archive }),
  };
}

/** Where its own archive is not known, another one that has it will do; that another one has it not says nothing. */
function isListed(uid: string, address: string | undefined, listed: StudyThreeWays['listed']): boolean | undefined {
  if (address !== undefined) return listed.get(address)?.has(uid) === true;
  return [...listed.values()].some((uids) => uids.has(uid)) ? true : undefined;
}

function strangerRow(sopInstanceUID: string): ThreeWayRow {
  const verdict = threeWayVerdict(undefined, undefined, true);
  return { verdict, sopInstanceUID, received: false, bucket: 'absent', archive: true };
}

function byGravity(a: ThreeWayRow, b: ThreeWayRow): number {
  const gravity = THREE_WAY_VERDICTS.indexOf(a.verdict) - THREE_WAY_VERDICTS.indexOf(b.verdict);
  if (gravity !== 0) return gravity;
  const [left, right] = [a, b].map(({ sopInstanceUID, key = '' }) => `${sopInstanceUID} ${key}`);
  return (left ?? '') < (right ?? '') ? -1 : 1;
}
