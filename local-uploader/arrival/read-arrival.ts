/**
 * Reads a file of the spool to its end: what proves it whole gives its digest and says what it is. A large one passes by, and only
 * what stands around its pixel data is kept.
 */
import { hash } from 'node:crypto';
import { constants, fstatSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { StorestowError } from '../../core/errors.ts';
import type { DataSet, Tag } from '../../core/dicom/data-set.ts';
import { fileSource, readExactly, readFully } from '../../core/dicom/file-source.ts';
import { readAroundPixels } from '../../core/dicom/read-around-pixels.ts';
import { readFileHead, readPart10 } from '../../core/dicom/read-part10.ts';
import { TAG } from '../../core/dicom/tags.ts';
import { encodeKeyPart } from '../../core/store/object-key.ts';
import { BytePool } from './byte-pool.ts';
import { digestFile } from './digest-file.ts';
import { identityOf, sameFile, type FileIdentity } from '../spool/file-identity.ts';
import { lacksPixels } from './lacks-pixels.ts';

export interface Arrival {
  /** As the file has them, checked for presence only: judging them is the functions' work, which can quarantine. */
  readonly studyInstanceUID: string;
  readonly seriesInstanceUID: string;
  readonly sopInstanceUID: string;
  /** (0002,0016), which storescp writes from the association (PS3.10 7.1). */
  readonly callingAET?: string;
  /** (0002,0018) */
  readonly calledAET?: string;
  /** It is an image without its pixels. */
  readonly pixelless: boolean;
  /** Of the whole file, 64 hex digits. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Of the file that these bytes were read from. */
  readonly identity: FileIdentity;
  /** The file as it was read, in memory that `release` lets others have; not of one larger than `IN_MEMORY_LIMIT`. */
  readonly bytes?: Uint8Array;
  /** Of a larger one the SHA-256 of each part, as stores cut it. */
  readonly parts?: readonly string[];
  /** Called at most once, when nobody can read `bytes` any more. Not called: the garbage collector finds them. */
  release(): void;
}

/** Bytes up to which a file is read into memory, and sent from there; a larger one is streamed. */
export const IN_MEMORY_LIMIT: number = 16 * 1024 * 1024;

/** Bytes of a larger file that must show that it is one of DICOM. */
const HEAD = 4 * 1024 * 1024;

/**
 * Bytes of a UID or title in an object's key. Of what would be longer no store takes the object, however often it is tried, and some say no
 * more than that they take nothing. A part of a key has 255 at most on MinIO, with address or digest in it.
 */
const MAX_KEY_PART = 200;

/** For the uploads of one process. */
const memory = new BytePool(32 * 1024 * 1024);

/**
 * Throws `NOT_PART10`, `MALFORMED`, `TRUNCATED`, `UNSUPPORTED_TRANSFER_SYNTAX`, `TOO_LARGE`, `MISSING_UID`, `INVALID_UID`; `FILE_CHANGED` where the file was
 * written, replaced or removed meanwhile; `SPOOL_INVALID` where it may not be read or is no regular file.
 */
export async function readArrival(path: string): Promise<Arrival> {
  const handle = await openRegularFile(path);
  try {
    const identity = identityNow(handle, path);
    const size = Number(identity.size);
    const { sha256, ...read } = size <= IN_MEMORY_LIMIT ? await readWhole(handle, size, path) : await readBy(handle, size, path);
    const { meta, dataSet } =
      'bytes' in read && !isDeflated(read.bytes)
        ? readPart10(read.bytes)
        : await readAroundPixels(fileSource(handle, size, () => changed(path)));
    if (!sameFile(identity, identityNow(handle, path))) throw changed(path);
    const callingAET = title(meta, TAG.SourceApplicationEntityTitle, 'SourceApplicationEntityTitle', path);
    const calledAET = title(meta, TAG.ReceivingApplicationEntityTitle, 'ReceivingApplicationEntityTitle', path);
    return {
      studyInstanceUID: uid(dataSet, TAG.StudyInstanceUID, 'StudyInstanceUID', path),
      seriesInstanceUID: uid(dataSet, TAG.SeriesInstanceUID, 'SeriesInstanceUID', path),
      sopInstanceUID: uid(dataSet, TAG.SOPInstanceUID, 'SOPInstanceUID', path),
      ...(callingAET === '' ? {} : { callingAET }),
      ...(calledAET === '' ? {} : { calledAET }),
      pixelless: lacksPixels(dataSet),
      sha256,
      size,
      identity,
      ...read,
      release: () => {
        if ('bytes' in read) memory.give(read.bytes);
      },
    };
  } finally {
    await handle.close();
  }
}

/** Neither a symbolic link is followed, nor does a FIFO that took the file's place hold us up. */
async function openRegularFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = cause instanceof Error ? (cause as NodeJS.ErrnoException).code : undefined;
    if (code === 'ENOENT') throw changed(path, cause);
    throw new StorestowError('SPOOL_INVALID', `cannot read ${path}; check its owner and permissions`, { object: path, cause });
  }
}

async function readWhole(
  handle: FileHandle,
  size: number,
  path: string,
): Promise<Pick<Arrival, 'sha256'> & { bytes: Uint8Array }> {
  const bytes = memory.take(size);
  await readFully(handle, 0, bytes, () => changed(path));
  return { bytes, sha256: hash('sha256', bytes) };
}

function isDeflated(file: Uint8Array): boolean {
  return readFileHead(file).transferSyntax.deflated;
}

/** Front to back, keeping nothing. */
async function readBy(
  handle: FileHandle,
  size: number,
  path: string,
): Promise<Pick<Arrival, 'sha256'> & { parts: readonly string[] }> {
  // Something else of any size is not read to its end, again and again.
  readFileHead(await readExactly(handle, 0, HEAD, () => changed(path)));
  const digests = await digestFile(handle, size);
  if (digests === undefined) throw changed(path);
  return digests;
}

/** Of an open file the kernel knows it at once: no other thread is asked. */
function identityNow(handle: FileHandle, path: string): FileIdentity {
  const stats = fstatSync(handle.fd, { bigint: true });
  if (!stats.isFile()) throw new StorestowError('SPOOL_INVALID', `${path} is not a regular file; remove it`, { object: path });
  return identityOf(stats);
}

function changed(path: string, cause?: unknown): StorestowError {
  return new StorestowError('FILE_CHANGED', `${path} changed while it was read; it is left for the next run`, {
    object: path,
    ...(cause === undefined ? {} : { cause }),
  });
}

function uid(dataSet: DataSet, tag: Tag, keyword: string, path: string): string {
  const value = text(dataSet, tag);
  if (value !== '') return short(value, 'INVALID_UID', keyword, path);
  throw new StorestowError('MISSING_UID', `${path} has no ${keyword}; correct it at its source and send it again`, {
    object: path,
  });
}

function title(meta: DataSet, tag: Tag, keyword: string, path: string): string {
  return short(text(meta, tag), 'MALFORMED', keyword, path);
}

function short(value: string, code: 'INVALID_UID' | 'MALFORMED', keyword: string, path: string): string {
  if (encodeKeyPart(value).length <= MAX_KEY_PART) return value;
  throw new StorestowError(
    code,
    `${path} has a ${keyword} that is too long to be one; correct it at its source and send it again`,
    {
      object: path,
    },
  );
}

/** UI and AE are of the default repertoire in every character set, padded with NUL or blanks (PS3.5 6.2): bytes are characters. */
function text(dataSet: DataSet, tag: Tag): string {
  const element = dataSet.get(tag);
  if (element === undefined) return '';
  const { buffer, byteOffset } = dataSet.bytes;
  return Buffer.from(buffer, byteOffset + element.valueOffset, element.length)
    .toString('latin1')
    .replace(/[\0 ]+$/, '')
    .replace(/^ +/, '');
}
