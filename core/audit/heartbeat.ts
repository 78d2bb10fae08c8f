/**
 * The heartbeat of a site's uploader, `heartbeats/{site}.json` in the bucket: written each minute, so that its silence can be an alarm
 * where nothing can reach into the site. Counts alone: no patient's data and no UID.
 */
import { hash } from 'node:crypto';
import { z } from 'zod';
import { asStorestowError, StorestowError } from '../errors.ts';
import { encodeKeyPart } from '../store/object-key.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { decodeJson } from './decode-json.ts';

export const HEARTBEATS_PREFIX = 'heartbeats/';

/** Bytes that are read at most. */
const MAX_BYTES = 16_384;

const count = z.int().min(0);
const time = z.iso.datetime();

/** A newer uploader may say more. */
const heartbeatSchema = z.object({
  version: z.literal(1),
  site: z.string().min(1).max(64),
  at: time,
  /** storestow's own. */
  storestow: z.string().max(64),
  /** Start of the resident uploader; absent: written by a run that ended. */
  since: time.optional(),
  /** Seconds until the next one at most; absent: none is planned. */
  every: z.int().min(1).optional(),
  /** What waits in the spool. */
  backlog: z.object({ instances: count, bytes: count, oldest: time.optional() }),
  /** Files that will not go by themselves. */
  failed: count,
  setAside: z.object({ foreign: count, damaged: count }),
  doneToday: z.object({ instances: count, bytes: count }),
  /**
   * `freeInodes`: absent where the file system has no bound. `fullInSeconds`: at the present rate; absent where it does not fill. `short`: of
   * what there is less than the site's `upload.disk` says.
   */
  disk: z.object({
    freeBytes: count,
    freeInodes: count.optional(),
    fullInSeconds: count.optional(),
    short: z.array(z.enum(['bytes', 'inodes'])).optional(),
  }),
  /** Of the files that are there; a code of the error family, of that version. */
  lastError: z.object({ code: z.string().regex(/^[A-Z0-9_]{1,64}$/), at: time }).optional(),
});

export type Heartbeat = z.output<typeof heartbeatSchema>;

export function heartbeatKey(site: string): string {
  return `${HEARTBEATS_PREFIX}${encodeKeyPart(site)}.json`;
}

export async function putHeartbeat(store: ObjectStore, heartbeat: Heartbeat): Promise<void> {
  const body = new TextEncoder().encode(JSON.stringify(heartbeat));
  await store.put(heartbeatKey(heartbeat.site), body, { sha256: hash('sha256', body), contentType: 'application/json' });
}

export interface SeenHeartbeat {
  readonly key: string;
  /** Since the bucket took it, by the bucket's own clock. */
  readonly ageInSeconds: number;
  /** The bucket's own time at which it took it. */
  readonly takenAt: Date;
  /** What it says; an error where an uploader does not write such a thing. */
  readonly heartbeat: Heartbeat | StorestowError;
}

/** Of all sites of a bucket, in the order of their keys. `now` counts where the store does not tell its time. */
export async function* readHeartbeats(store: ObjectStore, now: () => Date): AsyncGenerator<SeenHeartbeat> {
  for await (const { key, size } of store.list({ prefix: HEARTBEATS_PREFIX })) {
    const head = await store.head(key);
    if (head === undefined) continue;
    const asOf = head.asOf ?? now();
    const ageInSeconds = Math.max(0, Math.round((asOf.getTime() - head.lastModified.getTime()) / 1000));
    const heartbeat = size > MAX_BYTES ? invalid(key, 'is larger than a heartbeat can be') : await readHeartbeat(store, key);
    if (heartbeat === undefined) continue;
    yield { key, ageInSeconds, takenAt: head.lastModified, heartbeat };
  }
}

/** `undefined` where it has been removed meanwhile. */
async function readHeartbeat(store: ObjectStore, key: string): Promise<Heartbeat | StorestowError | undefined> {
  let body: Uint8Array;
  try {
    body = await (await store.get(key)).bytes();
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'OBJECT_NOT_FOUND') return undefined;
    throw thrown;
  }
  try {
    return parseHeartbeat(body, key);
  } catch (thrown) {
    if (thrown instanceof StorestowError) return thrown;
    throw thrown;
  }
}

/** Throws `HEARTBEAT_INVALID` for what an uploader does not write there. */
export function parseHeartbeat(body: Uint8Array, key: string): Heartbeat {
  const parsed = heartbeatSchema.safeParse(decodeJson(body, (cause) => invalid(key, 'is not JSON', cause)));
  if (!parsed.success) throw invalid(key, 'is not of the form of a heartbeat', parsed.error);
  if (heartbeatKey(parsed.data.site) !== key) throw invalid(key, 'is the heartbeat of another site');
  return parsed.data;
}

function invalid(key: string, what: string, cause?: unknown): StorestowError {
  return new StorestowError('HEARTBEAT_INVALID', `${key} ${what}; see what else writes below ${HEARTBEATS_PREFIX}`, {
    object: key,
    ...(cause === undefined ? {} : { cause }),
  });
}
