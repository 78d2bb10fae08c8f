/**
 * `--bucket` on the command line → a bucket configuration:
 *
 * | written                                       | bucket                                         |
 * |-----------------------------------------------|------------------------------------------------|
 * | `folder` or `folder:PATH`                     | the embedded one, in PATH                      |
 * | `minio`                                       | MinIO started by `up`                          |
 * | `s3://NAME`                                   | AWS S3, credentials of the AWS chain           |
 * | `http(s)://[KEY:SECRET@]HOST[:PORT]/NAME`     | an S3 server there, path-style                 |
 */
import { bucketSchema, type BucketConfig } from '../core/config/schema.ts';
import { StorestowError } from '../core/errors.ts';

export type BucketAddress = { readonly kind: 'minio' } | { readonly kind: 'bucket'; readonly config: BucketConfig };

export function parseBucketAddress(text: string, defaultFolder: string): BucketAddress {
  if (text === 'minio') return { kind: 'minio' };
  if (text === 'folder') return { kind: 'bucket', config: { kind: 'folder', path: defaultFolder } };
  if (text.startsWith('folder:')) return bucket({ kind: 'folder', path: text.slice('folder:'.length) });
  const url = URL.parse(text);
  if (url?.protocol === 's3:') return bucket({ kind: 's3', bucket: url.host });
  if (url === null || !/^https?:$/.test(url.protocol) || !/^\/[^/]+\/?$/.test(url.pathname)) {
    throw new StorestowError(
      'USAGE',
      'no such bucket; write folder, folder:PATH, minio, s3://NAME or http(s)://[KEY:SECRET@]HOST/NAME',
    );
  }
  return bucket({
    kind: 's3',
    bucket: url.pathname.replaceAll('/', ''),
    endpoint: url.origin,
    ...(url.username === ''
      ? {}
      : { accessKeyId: decodeURIComponent(url.username), secretAccessKey: decodeURIComponent(url.password) }),
  });
}

function bucket(value: unknown): BucketAddress {
  const parsed = bucketSchema.safeParse(value);
  if (!parsed.success) throw new StorestowError('USAGE', 'the bucket address lacks a name or a path', { cause: parsed.error });
  return { kind: 'bucket', config: parsed.data };
}
