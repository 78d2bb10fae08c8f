/**
 * An uploader as a process of its own: `node uploader-process.ts study|spool FOLDER BUCKET [milliseconds for each PUT]`. Prints each
 * file's outcome as it comes, then the report as JSON, and ends with the report's exit code.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../../core/logging.ts';
import { openFolderStore } from '../../core/store/folder-store.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { uploadExitCode } from '../../local-uploader/upload-report.ts';
import { uploadSpool } from '../../local-uploader/upload-spool.ts';
import { uploadStudy, type UploadOptions, type UploadPorts } from '../../local-uploader/upload-study.ts';

const [, , kind, folder = '', bucket = '', slowness = '0'] = process.argv;
const inner = await openFolderStore(bucket);
const store: ObjectStore = {
  description: inner.description,
  async put(key, body, options) {
    await delay(Number(slowness));
    return inner.put(key, body, options);
  },
  get: (key, range) => inner.get(key, range),
  head: (key) => inner.head(key),
  getTags: (key) => inner.getTags(key),
  putTags: (key, tags) => inner.putTags(key, tags),
  list: (options) => inner.list(options),
  delete: (key) => inner.delete(key),
  close: () => inner.close(),
};
const ports: UploadPorts = {
  store,
  log: createLog({ level: 'error' }),
  now: () => new Date(),
  onProgress: ({ path, outcome }) => console.log(`${outcome} ${path}`),
};
const options: UploadOptions = { site: 'test', after: 'remove', concurrency: 2, settle: 0 };
const reports = kind === 'spool' ? await uploadSpool(folder, ports, options) : [await uploadStudy(folder, ports, options)];
console.log(JSON.stringify(reports));
await store.close();
process.exitCode = uploadExitCode(reports);
