import { describe, expect, it } from 'vitest';
import { StorestowError } from '../../../core/errors.ts';
import { s3Error, s3ErrorCode } from '../../../core/store/s3-errors.ts';

function sdkError(name: string, status?: number, code?: string): Error {
  return Object.assign(
    new Error('not to be read'),
    { name, $metadata: { httpStatusCode: status } },
    code === undefined ? {} : { code },
  );
}

describe('S3 errors', () => {
  it.each([
    ['NoSuchKey', 404, 'OBJECT_NOT_FOUND', false],
    ['NotFound', 404, 'OBJECT_NOT_FOUND', false],
    ['NoSuchBucket', 404, 'STORE_INVALID', false],
    ['NoSuchUpload', 404, 'STORE_UNAVAILABLE', true],
    ['PreconditionFailed', 412, 'PRECONDITION_FAILED', false],
    ['ConditionalRequestConflict', 409, 'STORE_UNAVAILABLE', true],
    ['AccessDenied', 403, 'STORE_DENIED', false],
    ['SignatureDoesNotMatch', 403, 'STORE_DENIED', false],
    ['ExpiredToken', 400, 'STORE_DENIED', false],
    ['RequestTimeTooSkewed', 403, 'STORE_CLOCK_WRONG', true],
    ['RequestExpired', 400, 'STORE_CLOCK_WRONG', true],
    ['CredentialsProviderError', undefined, 'STORE_DENIED', false],
    ['BadDigest', 400, 'CHECKSUM_MISMATCH', true],
    ['XAmzContentSHA256Mismatch', 400, 'CHECKSUM_MISMATCH', true],
    ['XAmzContentChecksumMismatch', 400, 'CHECKSUM_MISMATCH', true],
    ['InvalidTag', 400, 'STORE_INVALID', false],
    ['XMinioInvalidObjectName', 400, 'STORE_INVALID', false],
    ['PermanentRedirect', 301, 'STORE_INVALID', false],
    ['InvalidRange', 416, 'STORE_INVALID', false],
    ['NotImplemented', 501, 'STORE_INVALID', false],
    ['RequestTimeout', 400, 'STORE_UNAVAILABLE', true],
    ['SlowDown', 503, 'STORE_UNAVAILABLE', true],
    ['TooManyRequests', 429, 'STORE_UNAVAILABLE', true],
    ['InternalError', 500, 'STORE_UNAVAILABLE', true],
    ['InternalError', 200, 'STORE_UNAVAILABLE', true],
    ['XMinioStorageFull', 507, 'STORE_FULL', true],
    ['Whatever', 507, 'STORE_FULL', true],
    ['TimeoutError', undefined, 'STORE_UNAVAILABLE', true],
    ['Error', undefined, 'STORE_UNAVAILABLE', true],
  ] as const)('%s %s → %s', (name, status, code, retryable) => {
    const error = s3Error(sdkError(name, status), 'the key', 's3://bucket at AWS');
    expect(error).toBeInstanceOf(StorestowError);
    expect(error).toMatchObject({ code, retryable, object: 'the key' });
    expect((error as Error).message).not.toContain('not to be read');
  });

  it('leaves alone what is not an answer of the store', () => {
    const ours = new StorestowError('FILE_CHANGED', 'x');
    const bug = new TypeError('undefined is not a function');
    expect(s3Error(ours, 'key', 'store')).toBe(ours);
    expect(s3Error(bug, 'key', 'store')).toBe(bug);
    expect(s3ErrorCode('a string')).toBeUndefined();
  });

  it('says that the clock is wrong, where the store says so', () => {
    expect((s3Error(sdkError('RequestTimeTooSkewed', 403), 'key', 'store') as Error).message).toContain('clock of this machine');
    expect((s3Error(sdkError('AccessDenied', 403), 'key', 'store') as Error).message).not.toContain('clock');
  });

  it('names the system error of a connection', () => {
    expect((s3Error(sdkError('Error', undefined, 'ECONNREFUSED'), 'key', 'store') as Error).message).toContain('ECONNREFUSED');
  });
});
