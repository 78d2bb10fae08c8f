/**
 * What the AWS SDK throws → the error family, by error name and HTTP status, never by message. Sources: Amazon S3 API
 * Reference, "Error responses"; MinIO's `cmd/api-errors.go` for the names that begin with `XMinio`.
 */
import { StorestowError, type ErrorCode } from '../errors.ts';
import { checksumMismatch, objectNotFound, preconditionFailed } from './store-errors.ts';

/** Names that say more than their status. */
const BY_NAME: ReadonlyMap<string, ErrorCode> = new Map([
  ['NoSuchKey', 'OBJECT_NOT_FOUND'],
  ['NotFound', 'OBJECT_NOT_FOUND'],
  ['NoSuchBucket', 'STORE_INVALID'],
  // A lost answer to "complete" that was sent again, or a clean-up rule: the upload starts anew.
  ['NoSuchUpload', 'STORE_UNAVAILABLE'],
  ['BadDigest', 'CHECKSUM_MISMATCH'],
  ['XAmzContentSHA256Mismatch', 'CHECKSUM_MISMATCH'],
  ['XAmzContentChecksumMismatch', 'CHECKSUM_MISMATCH'],
  ['RequestTimeout', 'STORE_UNAVAILABLE'],
  ['TimeoutError', 'STORE_UNAVAILABLE'],
  ['XMinioStorageFull', 'STORE_FULL'],
  ['XMinioAdminBucketQuotaExceeded', 'STORE_FULL'],
  // What the SDK cannot put right itself by the store's `Date`.
  ['RequestTimeTooSkewed', 'STORE_CLOCK_WRONG'],
  ['RequestExpired', 'STORE_CLOCK_WRONG'],
  ['ExpiredToken', 'STORE_DENIED'],
  ['InvalidToken', 'STORE_DENIED'],
  ['CredentialsProviderError', 'STORE_DENIED'],
  ['NotImplemented', 'STORE_INVALID'],
]);

/**
 * | status             | code                                                                      |
 * |--------------------|---------------------------------------------------------------------------|
 * | 401, 403           | `STORE_DENIED`                                                            |
 * | 404                | `OBJECT_NOT_FOUND`                                                        |
 * | 412                | `PRECONDITION_FAILED`                                                     |
 * | 408, 409, 425, 429 | `STORE_UNAVAILABLE` (409: another conditional write is under way)         |
 * | 507                | `STORE_FULL`                                                              |
 * | other 4xx and 3xx  | `STORE_INVALID`                                                           |
 * | 5xx, 2xx, none     | `STORE_UNAVAILABLE` (2xx: a body that is not S3's; none: no answer at all) |
 */
function codeOfStatus(status: number | undefined): ErrorCode {
  if (status === undefined) return 'STORE_UNAVAILABLE';
  return BY_STATUS.get(status) ?? (status >= 300 && status < 500 ? 'STORE_INVALID' : 'STORE_UNAVAILABLE');
}

const BY_STATUS: ReadonlyMap<number, ErrorCode> = new Map([
  [401, 'STORE_DENIED'],
  [403, 'STORE_DENIED'],
  [404, 'OBJECT_NOT_FOUND'],
  [408, 'STORE_UNAVAILABLE'],
  [409, 'STORE_UNAVAILABLE'],
  [412, 'PRECONDITION_FAILED'],
  [425, 'STORE_UNAVAILABLE'],
  [429, 'STORE_UNAVAILABLE'],
  [507, 'STORE_FULL'],
]);

/** `undefined` for an error that is not the store's, but a mistake in a program. */
export function s3ErrorCode(thrown: unknown): ErrorCode | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const status = statusOf(thrown);
  if (status === undefined && (thrown instanceof TypeError || thrown instanceof RangeError || thrown instanceof ReferenceError))
    return undefined;
  return BY_NAME.get(thrown.name) ?? codeOfStatus(status);
}

function statusOf(error: Error): number | undefined {
  const metadata = '$metadata' in error ? (error.$metadata as { readonly httpStatusCode?: unknown } | undefined) : undefined;
  return typeof metadata?.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/**
 * Whether the object is there and has no tags: S3 tells so by an empty set, others (Wasabi, Versity's gateway, Huawei's OBS) by a 404,
 * which must not pass for an object that is gone.
 */
export function saysNoTags(thrown: unknown): boolean {
  return thrown instanceof Error && NO_TAGS.has(thrown.name);
}

const NO_TAGS: ReadonlySet<string> = new Set(['NoSuchTagSet', 'NoSuchTagSetError']);

/** `thrown` as a member of the family; what is one already, or no error of the store's, comes back as it was. */
export function s3Error(thrown: unknown, key: string, description: string): unknown {
  if (thrown instanceof StorestowError) return thrown;
  const code = s3ErrorCode(thrown);
  if (code === undefined) return thrown;
  if (code === 'OBJECT_NOT_FOUND') return objectNotFound(key, thrown);
  if (code === 'PRECONDITION_FAILED') return preconditionFailed(key, thrown);
  if (code === 'CHECKSUM_MISMATCH') return checksumMismatch(key, thrown);
  const { name } = thrown as Error;
  const status = statusOf(thrown as Error);
  const answer = status === undefined ? `no answer (${systemCode(thrown) ?? name})` : `${status} ${name}`;
  return new StorestowError(code, `${description}, ${key}: ${answer}; ${WHAT_TO_DO[code] ?? ''}`, { object: key, cause: thrown });
}

const WHAT_TO_DO: Partial<Record<ErrorCode, string>> = {
  STORE_DENIED: 'check the credentials and the permissions of the bucket',
  STORE_INVALID: 'check the name of the bucket, the endpoint, the region and the key',
  STORE_UNAVAILABLE: 'try again, and check that the endpoint can be reached',
  STORE_FULL: 'make room in the store',
  STORE_CLOCK_WRONG: 'the clock of this machine is wrong by more than the store allows: set it, and see that NTP keeps it',
};

function systemCode(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
}
