/** The lease over each store: whatever the store, one holds it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Leases, type Lease, type LeaseHeld } from '../../core/store/lease.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { openS3Store } from '../../core/store/s3-store.ts';
import { minioAvailable, startTestMinio } from '../support/minio.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Opened {
  /** One for each function instance: all of one bucket. */
  readonly stores: readonly ObjectStore[];
  close(): Promise<void>;
}

const INSTANCES = 4;
const FOREVER = { alive: 120_000, gone: 120_000 };

function lease(got: Lease | LeaseHeld): Lease {
  return got.kind === 'lease' ? got : expect.fail('another has it');
}

function leaseContract(name: string, open: () => Promise<Opened>, skip = false): void {
  describe.skipIf(skip)(`lease: ${name}`, () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(async () => {
      await opened.close();
    });

    const fresh = (): string => `leases/1.2.${String(BigInt(`0x${randomUUID().slice(0, 8)}`))}`;
    const instances = (times: { readonly term: number; readonly grace: number }): readonly Leases[] =>
      opened.stores.map((store) => new Leases(store, times));

    it('is never held by two, and all who wait get it in the end', async () => {
      const key = fresh();
      let holders = 0;
      let most = 0;
      let times = 0;
      const work = async (leases: Leases): Promise<void> => {
        for (let round = 0; round < 3; round++) {
          const held = lease(await leases.acquire(key, FOREVER));
          most = Math.max(most, ++holders);
          await delay(5);
          holders -= 1;
          times += 1;
          await held.release();
        }
      };
      await Promise.all(instances({ term: 60_000, grace: 60_000 }).map(work));
      expect({ most, times }).toEqual({ most: 1, times: 3 * INSTANCES });
      expect(await opened.stores[0]?.head(key)).toBeUndefined();
    });

    it('of one that died goes to one of the others, once', async () => {
      const key = fresh();
      const [first, ...others] = instances({ term: 2000, grace: 500 });
      const dead = lease((await first?.acquire(key, FOREVER)) ?? expect.fail('no instance'));
      const head = await opened.stores[0]?.head(key);
      dead.abandon();
      const impatient = { alive: 5000, gone: 5000 };
      const got = await Promise.all(others.map((leases) => leases.acquire(key, impatient)));
      const winners = got.filter((one) => one.kind === 'lease');
      expect(winners).toHaveLength(1);
      expect((await opened.stores[0]?.head(key))?.etag).not.toBe(head?.etag);
      expect(winners[0]?.check()).toBe(true);
      await winners[0]?.release();
      expect(await opened.stores[0]?.head(key)).toBeUndefined();
    });

    it('is renewed beyond its term', async () => {
      const key = fresh();
      const [first, other] = instances({ term: 1500, grace: 0 });
      const held = lease((await first?.acquire(key, FOREVER)) ?? expect.fail('no instance'));
      const waiting = await other?.acquire(key, { alive: 4000, gone: 0 });
      expect(waiting).toMatchObject({ kind: 'held', holder: 'alive' });
      expect(held.check()).toBe(true);
      await held.release();
      expect(lease((await other?.acquire(key, FOREVER)) ?? expect.fail('no instance')).contended).toBe(false);
    });
  });
}

leaseContract('memory', async () => {
  const store = createMemoryStore();
  return { stores: Array.from({ length: INSTANCES }, () => store), close: () => store.close() };
});

leaseContract('folder', async () => {
  const folder = await temporaryFolder('lease');
  const stores = await Promise.all(Array.from({ length: INSTANCES }, () => openFolderStore(folder.path)));
  const close = async (): Promise<void> => {
    await Promise.all(stores.map((store) => store.close()));
    await folder.remove();
  };
  return { stores, close };
});

leaseContract(
  'MinIO',
  async () => {
    const minio = await startTestMinio();
    const stores = Array.from({ length: INSTANCES }, () => openS3Store(minio.bucket));
    const close = async (): Promise<void> => {
      await Promise.all(stores.map((store) => store.close()));
      await minio.close();
    };
    return { stores, close };
  },
  requirePeer('MinIO', await minioAvailable()),
);
