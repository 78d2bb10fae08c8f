/** The way of one file: read, judged, sent, named in a manifest, put away; or passed over and, when it is old, set aside. */
import { dirname, join, relative, resolve } from 'node:path';
import { asStorestowError, StorestowError } from '../../core/errors.ts';
import type { RetryOptions } from '../../core/retry.ts';
import type { Sender } from '../spool/announced-senders.ts';
import { arrivalObject } from '../arrival/arrival-object.ts';
import { decideFile, type FileDecision, type ReadResult } from './decide-file.ts';
import { decideSetAside } from '../spool/decide-set-aside.ts';
import { modifiedAt, type FileIdentity } from '../spool/file-identity.ts';
import { nameOf, type Judgement, type StayingFiles } from '../spool/handled-files.ts';
import { isBlank } from '../arrival/is-blank.ts';
import type { ListedFile } from '../spool/list-files.ts';
import { moveFile, removeFile, type MoveTarget } from '../spool/put-away.ts';
import { readArrival, type Arrival } from '../arrival/read-arrival.ts';
import { setAside } from '../spool/set-aside.ts';
import type { RoundManifests, UploadedObject } from './study-manifests.ts';
import { uploadFile, type Tries } from './upload-file.ts';
import type { UploadLimits } from './upload-limits.ts';
import type { Senders, UploadOptions, UploadPorts } from './upload-options.ts';
import type { FileReport } from './upload-report.ts';
import { passStep, type ReachStep } from '../spool/upload-step.ts';

const DEFAULT_RETRIES: RetryOptions = { retries: 4, firstDelay: 250, maxDelay: 8000 };

/** Without the file's bytes: it may wait for its manifest beside a thousand others. */
export interface Uploaded {
  readonly outcome: 'uploaded' | 'present';
  readonly identity: FileIdentity;
  readonly object: UploadedObject;
}

export function aboutUploaded({ outcome, object: { key, size, parts } }: Uploaded): Omit<FileReport, 'path'> {
  return { outcome, key, studyInstanceUID: parts.studyInstanceUID, size };
}

export function isUploaded(processed: Omit<FileReport, 'path'> | Uploaded): processed is Uploaded {
  return 'object' in processed;
}

export interface CarrierOptions {
  /** The folder that the files are of. */
  readonly root: string;
  readonly ports: UploadPorts;
  readonly options: UploadOptions;
  readonly limits: UploadLimits;
  readonly staying: StayingFiles;
}

export class FileCarrier {
  readonly #root: string;
  readonly #ports: UploadPorts;
  readonly #options: UploadOptions;
  readonly #limits: UploadLimits;
  readonly #staying: StayingFiles;
  readonly #reached: ReachStep;
  /** Asked before each look at the folder. */
  senders: Senders = () => ({});

  constructor({ root, ports, options, limits, staying }: CarrierOptions) {
    this.#root = root;
    this.#ports = ports;
    this.#options = options;
    this.#limits = limits;
    this.#staying = staying;
    this.#reached = ports.onStep ?? passStep;
  }

  /** Tries of what is `sent` to the bucket. */
  triesOf(sent: Parameters<UploadLimits['gate']['attempt']>[0]): Tries {
    return (work) => this.#limits.gate.attempt(sent, work, this.#options.retries ?? DEFAULT_RETRIES);
  }

  isToSetAside({ identity }: ListedFile, { outcome, stays = false }: Judgement): boolean {
    return (
      !stays && this.#options.setAsideIn !== undefined && decideSetAside({ outcome, age: this.#ageOf(identity) }) !== undefined
    );
  }

  /** Into the bucket, or to an outcome. */
  async carry(file: ListedFile, large: boolean): Promise<Omit<FileReport, 'path'> | Uploaded> {
    const { path, identity } = file;
    if (this.#options.ending?.aborted === true) return { outcome: 'waiting' };
    const judgement = this.#staying.judgementOf(file);
    if (judgement !== undefined) return this.#passOver(file, judgement);
    if (this.#senderOf(identity) === undefined || this.#decide(identity) === 'wait') return { outcome: 'waiting' };
    const refusal = this.#limits.gate.refusal({ name: nameOf(file), large });
    if (refusal !== undefined) return { outcome: 'failed', code: refusal.code, retryable: refusal.retryable };
    let arrival: Arrival;
    try {
      arrival = await readArrival(path);
    } catch (error) {
      return this.#unread(file, asStorestowError(error, path));
    }
    await this.#reached('read', path);
    const decision = this.#decide(arrival.identity, arrival.pixelless ? 'pixelless' : 'whole');
    if (decision === 'wait') return { outcome: 'waiting' };
    if (decision === 'upload') return this.#send(path, arrival);
    const error = cutBeforePixels(path);
    this.#ports.log.error({ file: path, err: error }, 'a file of the spool cannot be uploaded');
    return this.#passOver(file, { outcome: 'damaged', code: error.code });
  }

  #senderOf(identity: FileIdentity): Sender | undefined {
    return this.senders(modifiedAt(identity));
  }

  #decide(identity: FileIdentity, read?: ReadResult): FileDecision {
    const { settle, place } = this.#options;
    return decideFile({
      age: this.#ageOf(identity),
      settle,
      ...(place === undefined ? {} : { place }),
      ...(read === undefined ? {} : { read }),
    });
  }

  async #unread(file: ListedFile, thrown: StorestowError): Promise<Omit<FileReport, 'path'>> {
    const { path, identity } = file;
    const blank = thrown.code === 'NOT_PART10' && (await isBlank(path));
    const decision = this.#decide(identity, blank ? 'blank' : thrown.code);
    if (decision === 'wait') return { outcome: 'waiting' };
    if (decision === 'foreign') {
      this.#ports.log.info({ file: path, code: thrown.code }, 'not a DICOM file; it is not uploaded');
      return this.#passOver(file, { outcome: 'foreign', code: thrown.code });
    }
    const error = blank ? lostBytes(path) : thrown;
    const { code, retryable } = error;
    this.#ports.log.error({ file: path, err: error }, 'a file of the spool cannot be uploaded');
    return decision === 'damaged' ? this.#passOver(file, { outcome: 'damaged', code }) : { outcome: 'failed', code, retryable };
  }

  /** Not read again until it changes; when it is old, it does not stay among those that are. */
  async #passOver(file: ListedFile, judgement: Judgement): Promise<Omit<FileReport, 'path'>> {
    const { outcome, code } = judgement;
    this.#staying.judge(file, judgement);
    if (outcome === 'kept') return { outcome: 'present', after: 'kept' };
    const report = { outcome, ...(code === undefined ? {} : { code }), ...(outcome === 'damaged' ? { retryable: false } : {}) };
    const { setAsideIn: spool } = this.#options;
    if (spool === undefined || !this.isToSetAside(file, judgement)) return report;
    const { path, identity } = file;
    try {
      const to = await setAside(path, identity, spool, outcome);
      await this.#reached('setAside', to);
      this.#ports.log.warn({ file: path, to, code }, 'a file that cannot be uploaded is set aside');
      return { ...report, after: 'set-aside' };
    } catch (thrown) {
      const error = asStorestowError(thrown, path);
      if (error.code === 'FILE_CHANGED') return { outcome: 'waiting' };
      this.#ports.log.error({ file: path, err: error }, 'a file cannot be set aside; it stays where it is');
      if (error.retryable) this.#staying.leave(file);
      else this.#staying.judge(file, { ...judgement, stays: true });
      return report;
    }
  }

  async #send(path: string, arrival: Arrival): Promise<Omit<FileReport, 'path'> | Uploaded> {
    const { store, log } = this.#ports;
    const { studyInstanceUID, size, sha256, identity } = arrival;
    const about = { studyInstanceUID, size };
    let key: string | undefined;
    try {
      const object = arrivalObject(arrival, { ...this.#options, ...this.#senderOf(identity) });
      ({ key } = object);
      this.#ports.onSending?.({ path, studyInstanceUID });
      const name = nameOf({ path, identity });
      const tries = this.triesOf({ sent: 'instance', name });
      // What is kept is met again by each uploader that starts.
      const askFirst = this.#options.after === 'keep';
      const outcome = await uploadFile(path, arrival, object, store, tries, { askFirst, reached: this.#reached });
      log.debug({ study: studyInstanceUID, key, outcome }, 'uploaded');
      const { parts, receivedAt } = object;
      return { outcome, identity, object: { key, parts, size, sha256, receivedAt } };
    } catch (thrown) {
      const error = asStorestowError(thrown, key ?? path);
      // The file under this name is no longer the one that was read: the next round reads what is there now.
      if (error.code === 'FILE_CHANGED') return { outcome: 'waiting' };
      this.#logFailed({ study: studyInstanceUID, file: path, err: error }, 'a file is not in the bucket; it stays in the spool');
      return { outcome: 'failed', ...about, ...(key === undefined ? {} : { key }), code: error.code, retryable: error.retryable };
    }
  }

  /** What the bucket does to all files is told once, by its gate. */
  #logFailed(
    about: { readonly study: string | undefined; readonly file: string; readonly err: StorestowError },
    what: string,
  ): void {
    const { log } = this.#ports;
    if (this.#limits.gate.covers(about.err.code)) log.debug(about, what);
    else log.error(about, what);
  }

  async #putAway(
    path: string,
    identity: FileIdentity,
    sha256: string,
  ): Promise<Pick<FileReport, 'after' | 'code' | 'retryable'>> {
    const { after } = this.#options;
    try {
      switch (after) {
        case 'keep':
          return { after: 'kept' };
        case 'remove':
          await removeFile(path, identity, this.#reached);
          return { after: 'removed' };
        case 'move':
          await moveFile(path, identity, this.#moveTarget(path), sha256, this.#reached);
          return { after: 'moved' };
      }
    } catch (thrown) {
      const error = asStorestowError(thrown, path);
      if (error.code === 'FILE_CHANGED') throw error;
      this.#ports.log.error(
        { file: path, err: error },
        'a file is in the bucket, but could not be put away; it stays in the spool',
      );
      return { code: error.code, retryable: error.retryable };
    }
  }

  #moveTarget(path: string): MoveTarget {
    const root = resolve(this.#options.moveTo ?? '');
    return { root, folder: join(root, dirname(relative(dirname(this.#root), path))) };
  }

  async nameAndPutAway(
    path: string,
    { object, identity }: Uploaded,
    manifests: RoundManifests | undefined,
  ): Promise<Partial<FileReport>> {
    try {
      await manifests?.add(object);
      await this.#reached('named', path);
      return await this.#limits.puttingAway(() => this.#putAway(path, identity, object.sha256));
    } catch (thrown) {
      const error = asStorestowError(thrown, object.key);
      // The file under this name is no longer the one that was read: the next round reads what is there now.
      if (error.code === 'FILE_CHANGED') return { outcome: 'waiting' };
      const why = 'a file is in the bucket, but its manifest is not; it stays in the spool';
      this.#logFailed({ study: object.parts.studyInstanceUID, file: path, err: error }, why);
      return { outcome: 'failed', code: error.code, retryable: error.retryable };
    }
  }

  #ageOf(identity: FileIdentity): number {
    return (this.#ports.now().getTime() - modifiedAt(identity).getTime()) / 1000;
  }
}

function cutBeforePixels(path: string): StorestowError {
  return new StorestowError(
    'TRUNCATED',
    `${path} is an image without its pixels, which storescp did not finish; its sender was told no success and sends it again`,
    { object: path },
  );
}

function lostBytes(path: string): StorestowError {
  return new StorestowError(
    'TRUNCATED',
    `${path} has no byte but zeros, as after a loss of power: the instance is lost here; send it again from its source`,
    { object: path },
  );
}
