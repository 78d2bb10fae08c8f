/**
 * The configuration, of every part: one JSON file, read by the uploader, the functions and the command line. Every
 * setting has a default with which `storestow up` works on an empty machine.
 */
import { z } from 'zod';

const folderBucket = z.strictObject({
  kind: z.literal('folder'),
  /** Where objects and `bucket.sqlite` lie. */
  path: z.string().min(1),
});

const s3Bucket = z.strictObject({
  kind: z.literal('s3'),
  bucket: z.string().min(1),
  /** Empty: AWS. */
  endpoint: z.url({ protocol: /^https?$/ }).optional(),
  region: z.string().default('us-east-1'),
  /** Path-style addresses (MinIO and most others); virtual-hosted ones (AWS) otherwise. Default: path-style where an endpoint is given. */
  forcePathStyle: z.boolean().optional(),
  /** Absent: the AWS SDK's own chain (environment, profile, role). */
  accessKeyId: z.string().optional(),
  secretAccessKey: z.string().optional(),
  /** Bytes from which an upload goes in parts; what is smaller is sent from memory. */
  multipartThreshold: z
    .int()
    .min(5 * 1024 * 1024)
    .max(1024 ** 3)
    .default(16 * 1024 * 1024),
  /** Seconds without a byte in either direction after which a request is given up. Default 60. */
  timeout: z.number().positive().optional(),
});

export const bucketSchema = z.discriminatedUnion('kind', [folderBucket, s3Bucket]);

/** A secret stands here, or in a file (the setting with `File`), or in the environment (load.ts). */
const secret = z.string().min(1).optional();
const secretFile = z.string().min(1).optional();

/** The one or the other. */
function oneOf(first: string, second: string): readonly [(value: Readonly<Record<string, unknown>>) => boolean, string] {
  return [(value) => value[first] === undefined || value[second] === undefined, `give either ${first} or ${second}, not both`];
}

const authSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z
    .strictObject({ kind: z.literal('basic'), username: z.string(), password: z.string().optional(), passwordFile: secretFile })
    .refine(...oneOf('password', 'passwordFile')),
  z
    .strictObject({ kind: z.literal('bearer'), token: z.string().optional(), tokenFile: secretFile })
    .refine(...oneOf('token', 'tokenFile')),
  /** Client credentials (RFC 6749 4.4). */
  z
    .strictObject({
      kind: z.literal('oauth2'),
      /** Keycloak: `https://HOST/realms/REALM/protocol/openid-connect/token`. */
      tokenUrl: z
        .url({ protocol: /^https?$/ })
        .refine((url) => !/\/\/[^/]*@/.test(url), 'carries credentials; remove them and set clientId and clientSecret'),
      clientId: z.string().min(1),
      clientSecret: secret,
      clientSecretFile: secretFile,
      /** Where the secret goes: in the Authorization header, or in the body (RFC 6749 2.3.1). */
      clientAuthentication: z.enum(['basic', 'post']).default('basic'),
      scope: z.string().min(1).optional(),
    })
    .refine(...oneOf('clientSecret', 'clientSecretFile')),
]);

/** PEM files; for the archive and for the token server. */
const tlsSchema = z
  .strictObject({
    /** The only authorities that are trusted: files, `system` for those of the operating system, `default` for those that Node trusts. Absent: `default`. */
    ca: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).optional(),
    /** The client's certificate, with the chain that it needs, and its key. */
    cert: z.string().min(1).optional(),
    key: z.string().min(1).optional(),
    /** Of the key. */
    passphrase: secret,
    passphraseFile: secretFile,
  })
  .refine((tls) => (tls.cert === undefined) === (tls.key === undefined), 'cert and key go together; give both or neither')
  .refine(...oneOf('passphrase', 'passphraseFile'));

export const archiveSchema = z.strictObject({
  /** STOW-RS address; `%@` or `{aet}` → calling AE title, `{institution}`, `{site}`. */
  url: z.string().min(1),
  auth: authSchema.default({ kind: 'none' }),
  tls: tlsSchema.optional(),
  /** Requests under way at once. */
  connections: z.int().min(1).max(20).default(4),
  /** Of one request. */
  maxInstances: z.int().min(1).default(20),
  /** Bytes of one request; a larger instance goes alone. */
  maxBytes: z.int().min(1).default(20_000_000),
  /** Seconds until an answer's first byte. */
  timeout: z.number().positive().default(300),
  /** Ask QIDO-RS after each store. Off only for an archive without it. */
  confirm: z.boolean().default(true),
  /** What becomes of an instance whose study the archive holds under another institution than the mapping names. */
  otherInstitution: z.enum(['quarantine', 'store']).default('quarantine'),
  /** How far it is proved that the archive holds what was sent (core/stow/decide-proof.ts). */
  proof: z.enum(['listed', 'digest', 'retrieved']).default('digest'),
  /** (0002,0013) of the files that a dcm4chee keeps, `dcm4che-5.34.3`, to predict their digests. Absent: learned from one retrieved instance. */
  implementationVersionName: z
    .string()
    .regex(/^[\x20-\x7e]{1,16}$/)
    .optional(),
});

/** A file's path, or `bucket:KEY` for an object in the bucket. */
const source = z.string().min(1);

/** A worklist is asked for each study, and attributes are taken of the item that matches. */
const worklistSchema = z.strictObject({
  /** dcm4chee: `https://HOST/dcm4chee-arc/aets/WORKLIST/rs/mwlitems`. */
  url: z.url({ protocol: /^https?$/ }),
  /** `archive`: credentials and client certificate of the archive, wherever it is. Absent: only where its origin is the archive's. */
  auth: z.literal('archive').optional(),
  /** By Accession Number, or by Patient ID and the Study Date as that of a scheduled step. */
  match: z.enum(['accession', 'patientAndDate']).default('accession'),
  /** Keywords. */
  attributes: z.array(z.string().min(1)).min(1).max(64),
  /** What becomes of an instance for which there is no item. */
  onNoMatch: z.enum(['quarantine', 'pass']).default('quarantine'),
  /** The same where several items differ in what is taken. */
  onSeveral: z.enum(['quarantine', 'pass']).default('quarantine'),
});

export const coerceSchema = z.strictObject({
  defaultRules: z.boolean().default(true),
  /** A JSON file of site rules, applied after the default ones. */
  rules: source.optional(),
  /** An XML property list: calling AE title or IP → institution name. Absent: InstitutionName stays as received. */
  institutions: source.optional(),
  /** What becomes of an instance whose AE title and IP the mapping does not have. */
  unknownSource: z.enum(['quarantine', 'pass']).default('quarantine'),
  /** Record previous values in Original Attributes Sequence. */
  originalAttributes: z.boolean().default(true),
  /** Absent: no worklist is asked. */
  worklist: worklistSchema.optional(),
});

export const encodeSchema = z.strictObject({
  enabled: z.boolean().default(true),
  /** `j2k`: JPEG 2000 reversible; `htj2k`: High-Throughput JPEG 2000 reversible, for an archive that takes it. */
  syntax: z.enum(['j2k', 'htj2k']).default('j2k'),
  /** Worker threads; 0: one a processor. */
  threads: z.int().min(0).default(0),
});

/** What the spool's disk must have free; where it has less, the resident uploader warns. Absent: 5 % of what it has. */
const diskSchema = z.strictObject({
  warnFreeBytes: z.int().min(0).optional(),
  warnFreeInodes: z.int().min(0).optional(),
});

export const uploadSchema = z.strictObject({
  /** What becomes of a file that the bucket holds verified. */
  after: z.enum(['remove', 'keep', 'move']).default('remove'),
  /** For `after: move`. */
  moveTo: z.string().optional(),
  /** Uploads at once. */
  concurrency: z.int().min(1).max(256).default(16),
  /** Seconds without a write until a file counts as complete. */
  settle: z.number().min(0).default(1),
  /** Tags and comments on files that stay, for the Finder and the file managers of Linux. */
  marks: z.boolean().default(true),
  /** Seconds between two heartbeats of the resident uploader in the bucket; 0: none, and none of `upload --all` either. */
  heartbeat: z.int().min(0).max(86_400).default(60),
  disk: diskSchema.prefault({}),
});

export const ingestSchema = z.strictObject({
  /** Bytes of instances in memory at once. */
  maxBytesInFlight: z.int().min(1).default(256_000_000),
});

const path = z.string().min(1);

/** For `storestow service`: what storescp has for secured transport; PEM files, the key without a pass phrase. */
const receiverTlsSchema = z.strictObject({
  key: path,
  cert: path,
  /** Of authorities; needed unless `peer` is `ignore`. */
  ca: z.array(path).default([]),
  /** Lists of certificates that are no longer good. */
  crl: z.array(path).default([]),
  peer: z.enum(['require', 'verify', 'ignore']).default('require'),
  profile: z.enum(['bcp195-nd', 'bcp195', 'bcp195-ex']).optional(),
});

export const receiverSchema = z.strictObject({
  /** AE title. */
  aet: z.string().min(1).max(16),
  port: z.int().min(1).max(65_535),
  tls: receiverTlsSchema.optional(),
});

export const logSchema = z.strictObject({
  /** To syslog too; or the path of its socket. */
  syslog: z.union([z.boolean(), path]).default(false),
});

export const configSchema = z.strictObject({
  /** Names this receiver in keys and metadata. */
  site: z.string().min(1).max(64).default('default'),
  /** Absent: a folder below the data folder. */
  bucket: bucketSchema.optional(),
  /** Absent: the embedded archive. */
  archive: archiveSchema.optional(),
  coerce: coerceSchema.prefault({}),
  encode: encodeSchema.prefault({}),
  upload: uploadSchema.prefault({}),
  ingest: ingestSchema.prefault({}),
  /** What `storestow service` has listen. */
  receivers: z.array(receiverSchema).max(64).optional(),
  log: logSchema.prefault({}),
});

export type Config = z.output<typeof configSchema>;
export type BucketConfig = z.output<typeof bucketSchema>;
export type ArchiveConfig = z.output<typeof archiveSchema>;
export type ProofLevel = ArchiveConfig['proof'];
export type ArchiveAuth = z.output<typeof authSchema>;
export type ArchiveTls = z.output<typeof tlsSchema>;
export type CoerceConfig = z.output<typeof coerceSchema>;
export type WorklistConfig = NonNullable<CoerceConfig['worklist']>;
export type DiskThresholds = Config['upload']['disk'];
export type ReceiverConfig = z.output<typeof receiverSchema>;
