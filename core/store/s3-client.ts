/** The AWS SDK's client, set up for what storestow does with it: many small objects at once, and not a word on the console. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { BucketConfig } from '../config/schema.ts';

export type S3Config = Extract<BucketConfig, { kind: 's3' }>;

/** At least the uploads and downloads under way at once; more wait for a free one. */
const SOCKETS = 64;
/** The first one included. */
const ATTEMPTS = 3;
/** Milliseconds. */
const CONNECTION_TIMEOUT = 5_000;
/** Seconds without a byte in either direction. */
const IDLE_TIMEOUT = 60;

const nothing = (): void => undefined;
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

export function createS3Client(config: S3Config): S3Client {
  const { endpoint, region, forcePathStyle = endpoint !== undefined, timeout = IDLE_TIMEOUT } = config;
  const { accessKeyId, secretAccessKey } = config;
  const agent = { keepAlive: true, maxSockets: SOCKETS };
  const options: S3ClientConfig = {
    region,
    forcePathStyle,
    followRegionRedirects: true,
    maxAttempts: ATTEMPTS,
    logger: SILENT,
    // The SDK would open a connection of its own, not kept alive, for each body from 2 MiB on.
    expectContinueHeader: false,
    // Every PUT carries a SHA-256 (s3-store.ts); what other operations need is still added. Older S3 servers refuse the rest.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: CONNECTION_TIMEOUT,
      socketTimeout: timeout * 1000,
      logger: SILENT,
    },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(accessKeyId === undefined || secretAccessKey === undefined ? {} : { credentials: { accessKeyId, secretAccessKey } }),
  };
  const client = new S3Client(options);
  addHeaders(client);
  return client;
}

const CARRY_BODIES: ReadonlySet<unknown> = new Set(['PutObjectCommand', 'UploadPartCommand']);

/**
 * - A PUT whose SHA-256 is given is signed over it (`x-amz-content-sha256`), so that the SDK need not hash the body again.
 * - A GET asks for the stored checksum, but not through `ChecksumMode`: the SDK would compare it itself and report a difference
 *   as an error without a name.
 */
function addHeaders(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> };
      const { ChecksumSHA256: given } = args.input as { ChecksumSHA256?: string };
      if (CARRY_BODIES.has(context['commandName']) && given !== undefined)
        headers['x-amz-content-sha256'] = Buffer.from(given, 'base64').toString('hex');
      if (context['commandName'] === 'GetObjectCommand') headers['x-amz-checksum-mode'] = 'ENABLED';
      return next(args);
    },
    { step: 'build', name: 'storestowHeaders' },
  );
}

/**
 * Middleware for a PUT that tells its SHA-256: the server need not take a second digest of the body for the signature, which is over
 * the header with its checksum already (Amazon S3 API Reference, "Signature calculations", `UNSIGNED-PAYLOAD`). Only for a server that
 * holds bodies to that header.
 */
export function withoutBodySigned<Args extends { readonly request: unknown }, Result>(
  next: (args: Args) => Result,
): (args: Args) => Result {
  return (args) => {
    const { headers } = args.request as { headers: Record<string, string> };
    headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD';
    return next(args);
  };
}

/** Where `withoutBodySigned` stands: behind what is done for each command. */
export const BEFORE_SIGNING = { step: 'build', priority: 'low', name: 'withoutBodySigned' } as const;

/** By its own name too, as one within a VPC is given (`https://bucket.vpce-….s3.eu-central-1.vpce.amazonaws.com`). */
export function isAws({ endpoint }: S3Config): boolean {
  return endpoint === undefined || /(?:^|\.)amazonaws\.com(?:\.cn)?$/.test(new URL(endpoint).hostname);
}

/** `s3://bucket at https://…`, without what may stand before the host. */
export function describeS3({ bucket, endpoint, region }: S3Config): string {
  if (endpoint === undefined) return `s3://${bucket} at AWS ${region}`;
  const { origin, pathname } = new URL(endpoint);
  return `s3://${bucket} at ${origin}${pathname === '/' ? '' : pathname}`;
}
