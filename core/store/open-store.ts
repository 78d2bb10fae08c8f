/** A bucket's configuration → its adapter. */
import type { BucketConfig } from '../config/schema.ts';
import type { ObjectStore } from './object-store.ts';

/** Each adapter is loaded only where it is used: the AWS SDK takes a tenth of a second that the embedded bucket need not spend. */
export async function openStore(config: BucketConfig): Promise<ObjectStore> {
  switch (config.kind) {
    case 'folder':
      return (await import('./folder-store.ts')).openFolderStore(config.path);
    case 's3':
      return (await import('./s3-store.ts')).openS3Store(config);
  }
}
