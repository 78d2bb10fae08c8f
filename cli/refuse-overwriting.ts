/** Files that are read are not written over: of an original that was coerced in place, nobody has the bytes any more. */
import { lstat, stat } from 'node:fs/promises';
import { mapConcurrently } from '../core/concurrency.ts';
import { StorestowError } from '../core/errors.ts';

const AT_ONCE = 16;

/** Throws `USAGE`, naming the file, where an output is one of the inputs, however its path is written. */
export async function refuseOverwriting(inputs: readonly string[], outputs: readonly string[]): Promise<void> {
  const read = new Set(await mapConcurrently(inputs, AT_ONCE, async (path) => identityOf(stat(path, { bigint: true }))));
  read.delete(undefined);
  await mapConcurrently(outputs, AT_ONCE, async (path) => {
    // A link that is in the way is replaced, not what it leads to.
    if (!read.has(await identityOf(lstat(path, { bigint: true })))) return;
    throw new StorestowError('USAGE', `${path} is read, and would be written over; give another --out or --report`, {
      object: path,
    });
  });
}

/** Undefined where there is no such file. */
async function identityOf(info: Promise<{ readonly dev: bigint; readonly ino: bigint }>): Promise<string | undefined> {
  return info.then(
    ({ dev, ino }) => `${dev}:${ino}`,
    () => undefined,
  );
}
