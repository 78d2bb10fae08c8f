import { describe, expect, it } from 'vitest';
import { parseBucketAddress } from '../../../cli/bucket-address.ts';
import { asStorestowError } from '../../../core/errors.ts';

const DEFAULT = '/data/bucket';

describe('a bucket address', () => {
  it.each([
    ['folder', { kind: 'folder', path: DEFAULT }],
    ['folder:/srv/arrivals', { kind: 'folder', path: '/srv/arrivals' }],
    ['folder:C:/a b', { kind: 'folder', path: 'C:/a b' }],
    ['s3://arrivals', { kind: 's3', bucket: 'arrivals' }],
    ['http://127.0.0.1:9000/arrivals', { kind: 's3', bucket: 'arrivals', endpoint: 'http://127.0.0.1:9000' }],
    ['https://s3.example.org/arrivals/', { kind: 's3', bucket: 'arrivals', endpoint: 'https://s3.example.org' }],
    [
      'http://key:se%2Fcret@[::1]:9000/arrivals',
      { kind: 's3', bucket: 'arrivals', endpoint: 'http://[::1]:9000', accessKeyId: 'key', secretAccessKey: 'se/cret' },
    ],
  ])('%s', (text, config) => {
    const address = parseBucketAddress(text, DEFAULT);
    expect(address).toMatchObject({ kind: 'bucket', config });
    if (!text.includes('@')) expect(address).not.toHaveProperty('config.accessKeyId');
  });

  it('minio: the one that up starts', () => {
    expect(parseBucketAddress('minio', DEFAULT)).toEqual({ kind: 'minio' });
  });

  it.each([
    '',
    'folder:',
    's3://',
    'arrivals',
    '/srv/arrivals',
    'ftp://host/arrivals',
    'http://host',
    'http://host/',
    'http://host/a/b',
    'http://',
  ])('%s is none', (text) => {
    expect(codeOf(() => parseBucketAddress(text, DEFAULT))).toBe('USAGE');
  });

  it('does not repeat credentials in what it says of a wrong one', () => {
    expect(messageOf(() => parseBucketAddress('http://key:secret@host/a/b', DEFAULT))).not.toContain('secret');
  });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (thrown) {
    return thrown;
  }
  return expect.fail('nothing was thrown');
}

function codeOf(run: () => unknown): string {
  return asStorestowError(thrownBy(run)).code;
}

function messageOf(run: () => unknown): string {
  return asStorestowError(thrownBy(run)).message;
}
