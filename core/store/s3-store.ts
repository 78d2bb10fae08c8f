/** An S3-compatible bucket: AWS, MinIO, and whatever speaks their language. */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type ListObjectsV2CommandOutput,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { StorestowError } from '../errors.ts';
import { BodySigning } from './body-signing.ts';
import { listingStart } from './key-order.ts';
import { bodyBytes } from './object-body.ts';
import { checkKey, checkPut, checkRange, checkTags, TAG_CHARACTERS_OF_S3 } from './object-limits.ts';
import type {
  ByteRange,
  DeleteOptions,
  ListOptions,
  ObjectBody,
  ObjectHead,
  ObjectInfo,
  ObjectStore,
  PutAnswer,
  PutOptions,
  StoredObject,
  Tags,
} from './object-store.ts';
import { createS3Client, describeS3, BEFORE_SIGNING, isAws, withoutBodySigned, type S3Config } from './s3-client.ts';
import { s3Error, s3ErrorCode, saysNoTags } from './s3-errors.ts';
import { putInParts } from './s3-multipart.ts';
import { preconditionFailed } from './store-errors.ts';
import { collect, verifiedStream } from './verified-stream.ts';

interface PageStart {
  readonly StartAfter?: string;
  readonly ContinuationToken?: string;
}

class S3Store implements ObjectStore {
  readonly description: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #multipartThreshold: number;
  /** AWS takes no time of ours for a second digest, and a bucket's policy there may insist on it. */
  readonly #signing: BodySigning;
  /** Whether the store told the digest that it found in the last body. */
  #tellsDigests = false;

  constructor(config: S3Config) {
    this.description = describeS3(config);
    this.#client = createS3Client(config);
    this.#bucket = config.bucket;
    this.#multipartThreshold = config.multipartThreshold;
    this.#signing = new BodySigning(isAws(config));
  }

  /**
   * A body below the threshold is sent from memory, so that it can be sent again. A conditional put whose answer was lost and
   * that was sent again fails with `PRECONDITION_FAILED` although it was this one that wrote: read the object before deciding.
   */
  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<PutAnswer> {
    checkPut(key, options);
    const size = body instanceof Uint8Array ? body.length : body.size;
    const input = { ...this.#at(key), ...putInput(options) };
    try {
      if (size >= this.#multipartThreshold) return await this.#putLarge(key, body, size, input, options);
      const bytes = await bodyBytes(key, body);
      const sha256 = options.sha256 ?? hash('sha256', bytes, 'hex');
      const ChecksumSHA256 = Buffer.from(sha256, 'hex').toString('base64');
      const answer = await this.#signing.send(this.#tellsDigests, (signed) => {
        const command = new PutObjectCommand({ ...input, Body: bytes, ChecksumSHA256 });
        if (!signed) command.middlewareStack.add(withoutBodySigned, BEFORE_SIGNING);
        return this.#client.send(command);
      });
      this.#tellsDigests = answer.ChecksumSHA256 === ChecksumSHA256;
      return { etag: unquoted(answer.ETag), ...(this.#tellsDigests ? { sha256 } : {}) };
    } catch (error) {
      // "If-Match" on a key without an object is 404 (Amazon S3 User Guide, "Conditional writes").
      if (options.ifMatch !== undefined && s3ErrorCode(error) === 'OBJECT_NOT_FOUND') throw preconditionFailed(key, error);
      throw this.#error(error, key);
    }
  }

  async #putLarge(
    key: string,
    body: ObjectBody,
    size: number,
    input: PutObjectCommandInput,
    options: PutOptions,
  ): Promise<PutAnswer> {
    // The server checks the condition with the last request only; asking first saves sending all of it.
    if (options.ifAbsent === true && (await this.head(key)) !== undefined) throw preconditionFailed(key);
    const large = { key, body, size, sha256: options.sha256, signing: this.#signing };
    const { etag, ...told } = await putInParts(this.#client, input, large);
    return { etag: unquoted(etag), ...told };
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject> {
    checkKey(key);
    if (range !== undefined) checkRange(key, range);
    const command = new GetObjectCommand({
      ...this.#at(key),
      ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }),
    });
    const answer = await this.#translated(key, () => this.#client.send(command));
    const sent = answer.ContentLength ?? 0;
    const head = objectHead(key, totalSize(answer.ContentRange) ?? sent, answer);
    const expected =
      range === undefined ? { size: sent, sha256: head.sha256 } : { size: Math.min(range.end + 1, head.size) - range.start };
    const stream = (): Readable => verifiedStream(answer.Body as Readable, key, expected, (error) => this.#error(error, key));
    return { head, stream, bytes: async () => collect(stream()) };
  }

  async head(key: string): Promise<ObjectHead | undefined> {
    checkKey(key);
    try {
      const command = new HeadObjectCommand({ ...this.#at(key), ChecksumMode: 'ENABLED' });
      const asOf = answeredAt(command);
      const answer = await this.#client.send(command);
      const date = asOf();
      return { ...objectHead(key, answer.ContentLength ?? 0, answer), ...(date === undefined ? {} : { asOf: date }) };
    } catch (error) {
      if (s3ErrorCode(error) === 'OBJECT_NOT_FOUND') return undefined;
      throw this.#error(error, key);
    }
  }

  async getTags(key: string): Promise<Tags> {
    checkKey(key);
    try {
      const { TagSet = [] } = await this.#client.send(new GetObjectTaggingCommand(this.#at(key)));
      return Object.fromEntries(TagSet.map(({ Key = '', Value = '' }) => [Key, Value]));
    } catch (error) {
      if (saysNoTags(error)) return {};
      throw this.#error(error, key);
    }
  }

  async putTags(key: string, tags: Tags): Promise<void> {
    checkKey(key);
    // Those that a site has set itself are among them, and come back as they are.
    checkTags(key, tags, TAG_CHARACTERS_OF_S3);
    const Tagging = { TagSet: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
    await this.#translated(key, () => this.#client.send(new PutObjectTaggingCommand({ ...this.#at(key), Tagging })));
  }

  async *list({ prefix = '', after }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    const start = listingStart(prefix, after);
    if (start === undefined) return;
    let page: PageStart | undefined = start.inclusive ? {} : { StartAfter: start.key };
    while (page !== undefined) {
      const answer: ListObjectsV2CommandOutput = await this.#page(prefix, page);
      // A server may pass over what it does not know (Versity's gateway): only its answer tells whether it encoded them.
      const decode = answer.EncodingType === 'url' ? decodeListedKey : asItIs;
      for (const { Key = '', Size = 0, ETag, LastModified } of answer.Contents ?? [])
        yield { key: decode(Key), size: Size, etag: unquoted(ETag), lastModified: LastModified ?? new Date(0) };
      page = answer.IsTruncated === true ? { ContinuationToken: this.#next(answer) } : undefined;
    }
  }

  #next({ NextContinuationToken: token }: ListObjectsV2CommandOutput): string {
    if (token !== undefined) return token;
    throw new StorestowError(
      'STORE_INVALID',
      `${this.description} lists its first objects only: it does not know ListObjectsV2; use a store that does`,
      { object: this.#bucket },
    );
  }

  #page(prefix: string, start: PageStart): Promise<ListObjectsV2CommandOutput> {
    // Keys may contain characters that XML cannot.
    const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, EncodingType: 'url', ...start });
    return this.#translated(prefix, () => this.#client.send(command));
  }

  async delete(key: string, { ifMatch }: DeleteOptions = {}): Promise<void> {
    checkKey(key);
    const condition = ifMatch === undefined ? {} : { IfMatch: `"${ifMatch}"` };
    try {
      await this.#client.send(new DeleteObjectCommand({ ...this.#at(key), ...condition }));
    } catch (error) {
      if (s3ErrorCode(error) !== 'OBJECT_NOT_FOUND') throw this.#error(error, key);
    }
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: key };
  }

  #error(thrown: unknown, key: string): unknown {
    return s3Error(thrown, key, this.description);
  }

  async #translated<Result>(key: string, send: () => Promise<Result>): Promise<Result> {
    try {
      return await send();
    } catch (error) {
      throw this.#error(error, key);
    }
  }
}

/** The `Date` of the answer to the command (RFC 9110 6.6.1), once it has come: the SDK's own result leaves it out. */
function answeredAt(command: HeadObjectCommand): () => Date | undefined {
  let date: Date | undefined;
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { readonly headers?: Readonly<Record<string, string>> };
      const told = new Date(headers?.['date'] ?? '');
      if (!Number.isNaN(told.getTime())) date = told;
      return result;
    },
    { step: 'deserialize', name: 'answeredAt' },
  );
  return () => date;
}

function putInput({ metadata, tags, contentType, ifAbsent, ifMatch }: PutOptions): Partial<PutObjectCommandInput> {
  return {
    ...(metadata === undefined ? {} : { Metadata: { ...metadata } }),
    ...(tags === undefined || Object.keys(tags).length === 0 ? {} : { Tagging: taggingHeader(tags) }),
    ...(contentType === undefined ? {} : { ContentType: contentType }),
    ...(ifAbsent === true ? { IfNoneMatch: '*' } : {}),
    ...(ifMatch === undefined ? {} : { IfMatch: `"${ifMatch}"` }),
  };
}

/** `x-amz-tagging` carries tags as the parameters of a URL's query. */
export function taggingHeader(tags: Tags): string {
  return Object.entries(tags)
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join('&');
}

/** With `encoding-type=url` a listing has form-encoded keys: percent, and `+` for a blank. */
export function decodeListedKey(encoded: string): string {
  return decodeURIComponent(encoded.replaceAll('+', ' '));
}

function asItIs(key: string): string {
  return key;
}

/** `bytes 0-9/1000` → 1000. */
function totalSize(contentRange: string | undefined): number | undefined {
  const total = /\/(\d+)$/.exec(contentRange ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

function unquoted(etag = ''): string {
  return etag.replace(/^"(.*)"$/, '$1');
}

interface Answer {
  readonly ETag?: string | undefined;
  readonly LastModified?: Date | undefined;
  readonly Metadata?: Record<string, string> | undefined;
  readonly ChecksumSHA256?: string | undefined;
}

function objectHead(key: string, size: number, { ETag, LastModified, Metadata = {}, ChecksumSHA256 = '' }: Answer): ObjectHead {
  // That of an object in parts is a digest of digests, with `-` and their number behind.
  const whole = /^[A-Za-z0-9+/]{43}=$/.test(ChecksumSHA256);
  return {
    key,
    size,
    etag: unquoted(ETag),
    lastModified: LastModified ?? new Date(0),
    metadata: Metadata,
    ...(whole ? { sha256: Buffer.from(ChecksumSHA256, 'base64').toString('hex') } : {}),
  };
}

export function openS3Store(config: S3Config): ObjectStore {
  return new S3Store(config);
}
