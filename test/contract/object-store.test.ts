import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFolderStore } from '../../core/store/folder-store.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { objectStoreContract } from './object-store.contract.ts';

objectStoreContract('memory', async () => {
  const store = createMemoryStore();
  return { store, close: () => store.close() };
});

objectStoreContract('folder', async () => {
  const path = await mkdtemp(join(tmpdir(), 'storestow-folder-'));
  const store = await openFolderStore(path);
  const close = async (): Promise<void> => {
    await store.close();
    await rm(path, { recursive: true });
  };
  return { store, close };
});
