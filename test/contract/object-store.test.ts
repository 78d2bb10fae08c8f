import { openFolderStore } from '../../core/store/folder-store.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { openS3Store } from '../../core/store/s3-store.ts';
import { minioAvailable, startTestMinio } from '../support/minio.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { objectStoreContract } from './object-store.contract.ts';

objectStoreContract('memory', async () => {
  const store = createMemoryStore();
  return { store, close: () => store.close() };
});

objectStoreContract('folder', async () => {
  const folder = await temporaryFolder('folder-store');
  const store = await openFolderStore(folder.path);
  const close = async (): Promise<void> => {
    await store.close();
    await folder.remove();
  };
  return { store, close };
});

const skip = requirePeer('MinIO', await minioAvailable());

objectStoreContract(
  'MinIO',
  async () => {
    const minio = await startTestMinio();
    const store = openS3Store(minio.bucket);
    const close = async (): Promise<void> => {
      await store.close();
      await minio.close();
    };
    return { store, close };
  },
  { skip, keysArePaths: true, deletesRegardless: true },
);
