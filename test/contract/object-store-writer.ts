/**
 * A process of its own that puts objects into a folder store, for object-store-processes.test.ts: folder, its own name, prefix,
 * number of objects, bytes of each, puts at once, condition. Prints one line for each key: `KEY OUTCOME`.
 */
import { createHash } from 'node:crypto';
import { mapConcurrently } from '../../core/concurrency.ts';
import { asStorestowError } from '../../core/errors.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';

const [folder = '', name = '', prefix = '', count = '0', size = '0', concurrency = '1', condition = ''] = process.argv.slice(2);

const store = await openFolderStore(folder);
await mapConcurrently(Array.from({ length: Number(count) }), Number(concurrency), async (_, index) => {
  const key = `${prefix}${String(index).padStart(5, '0')}`;
  const body = Buffer.alloc(Number(size), `${name} ${index} `);
  const sha256 = createHash('sha256').update(body).digest('hex');
  try {
    await store.put(key, body, { sha256, tags: { writer: name }, ifAbsent: condition === 'ifAbsent' });
    process.stdout.write(`${key} won\n`);
  } catch (error) {
    process.stdout.write(`${key} ${asStorestowError(error, key).code}\n`);
  }
});
await store.close();
