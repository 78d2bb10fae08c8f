/** The bytes of the embedded archive: `instances/{study}/{series}/{instance}.dcm`, names percent-encoded, each written whole or not at all. */
import { createHash, hash, randomBytes } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { segmentBytes, type Segment } from '../../core/dicom/byte-source.ts';

export interface InstanceNames {
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
}

export interface WrittenFile {
  /** Bytes. */
  readonly size: number;
  /** MD5, upper-case hexadecimal, as dcm4chee tells it. */
  readonly digest: string;
}

const MAX_NAME = 200;

/** A UID of any characters → a name that stays in its folder. */
function nameOf(uid: string): string {
  const encoded = encodeURIComponent(uid.toWellFormed()).replaceAll('*', '%2A');
  if (encoded.length > MAX_NAME) return `%${hash('sha256', uid, 'hex')}`;
  return /^\.*$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded;
}

export class InstanceFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async prepare(): Promise<void> {
    await rm(path.join(this.#root, 'writing'), { recursive: true, force: true });
    for (const name of ['writing', 'instances']) await mkdir(path.join(this.#root, name), { recursive: true });
    await syncFolder(this.#root);
  }

  pathOf({ studyInstanceUID, seriesInstanceUID, sopInstanceUID }: InstanceNames): string {
    return path.join(
      this.#root,
      'instances',
      nameOf(studyInstanceUID),
      nameOf(seriesInstanceUID),
      `${nameOf(sopInstanceUID)}.dcm`,
    );
  }

  /** For a file that is nothing yet; what is left of it is removed at the next start. */
  temporaryPath(): string {
    return path.join(this.#root, 'writing', randomBytes(12).toString('hex'));
  }

  /** On the disk when it resolves. */
  async write(names: InstanceNames, segments: readonly Segment[]): Promise<WrittenFile> {
    const target = this.pathOf(names);
    const temporary = this.temporaryPath();
    const digest = createHash('md5');
    let size = 0;
    try {
      const handle = await open(temporary, 'wx');
      try {
        for (const segment of segments) {
          for await (const bytes of segmentBytes(segment)) {
            await handle.writeFile(bytes);
            digest.update(bytes);
            size += bytes.length;
          }
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
      const series = path.dirname(target);
      const created = await mkdir(series, { recursive: true });
      await rename(temporary, target);
      await syncFolder(series);
      if (created !== undefined) {
        await syncFolder(path.dirname(series));
        await syncFolder(path.join(this.#root, 'instances'));
      }
      return { size, digest: digest.digest('hex').toUpperCase() };
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async remove(names: InstanceNames): Promise<void> {
    await rm(this.pathOf(names), { force: true });
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
