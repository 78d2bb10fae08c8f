/** What `sst deploy` would make, from SST's real components under Pulumi's mocks. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, opensslAvailable } from '../support/certificates.ts';
import { requirePeer } from '../support/peers.ts';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';
import { installPlatform, platformSupported, ROOT, run } from './sst-platform.ts';

interface Resource {
  readonly type: string;
  /** Without the hash that SST puts behind a subscriber's name. */
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

interface Statement {
  readonly effect?: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly principals?: readonly { readonly type: string; readonly identifiers: readonly string[] }[];
  readonly conditions?: readonly { readonly variable: string; readonly values: readonly string[] }[];
}

const CONFIG = {
  site: 'hq',
  archive: {
    url: 'https://pacs.example/aets/%@/rs/studies',
    auth: { kind: 'basic', username: 'storestow', password: 'only-for-the-uploader' },
    connections: 3,
  },
};

/** AWS resources alone: SST's own groups, links and code assets are no one's concern. */
const EXPECTED = [
  'aws:cloudwatch/logGroup:LogGroup IngestLogs',
  'aws:cloudwatch/logGroup:LogGroup SweepLogs',
  'aws:cloudwatch/metricAlarm:MetricAlarm DeadLettersAlarm',
  'aws:iam/policy:Policy UploaderPolicy',
  'aws:iam/role:Role ArrivalsSubscriberFunctionRole',
  'aws:iam/role:Role SweepHandlerRole',
  'aws:iam/role:Role SweepRole',
  'aws:lambda/eventSourceMapping:EventSourceMapping ArrivalsSubscriberEventSourceMapping',
  'aws:lambda/function:Function ArrivalsSubscriberFunctionFunction',
  'aws:lambda/function:Function SweepHandlerFunction',
  'aws:s3/bucket:Bucket InstancesBucket',
  'aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration InstancesLifecycle',
  'aws:s3/bucketNotification:BucketNotification InstancesNotification',
  'aws:s3/bucketObjectv2:BucketObjectv2 ArrivalsSubscriberFunctionCode',
  'aws:s3/bucketObjectv2:BucketObjectv2 Config-institutions',
  'aws:s3/bucketObjectv2:BucketObjectv2 SweepHandlerCode',
  'aws:s3/bucketOwnershipControls:BucketOwnershipControls InstancesOwnership',
  'aws:s3/bucketPolicy:BucketPolicy InstancesPolicy',
  'aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock InstancesPublicAccessBlock',
  'aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration InstancesEncryption',
  'aws:s3/bucketVersioning:BucketVersioning InstancesVersioning',
  'aws:scheduler/schedule:Schedule SweepSchedule',
  'aws:sqs/queue:Queue ArrivalsQueue',
  'aws:sqs/queue:Queue DeadLettersQueue',
  'aws:sqs/queuePolicy:QueuePolicy ArrivalsPolicy',
  'aws:sqs/redriveAllowPolicy:RedriveAllowPolicy DeadLettersAllow',
];

/** Each action and resource that a function's role allows, the account's own parts of the names left out. */
const INGEST_MAY = [
  'logs:CreateLogStream log-group:/storestow/production/ingest:*',
  'logs:PutLogEvents log-group:/storestow/production/ingest:*',
  's3:DeleteObject BUCKET/leases/*',
  's3:GetObject BUCKET/config/*',
  's3:GetObject BUCKET/incoming/*',
  's3:GetObject BUCKET/leases/*',
  's3:GetObject BUCKET/rules/*',
  's3:GetObject BUCKET/worklist/*',
  's3:GetObjectTagging BUCKET/incoming/*',
  's3:ListBucket BUCKET',
  's3:PutObject BUCKET/leases/*',
  's3:PutObject BUCKET/rules/*',
  's3:PutObject BUCKET/worklist/*',
  's3:PutObjectTagging BUCKET/incoming/*',
  'sqs:ChangeMessageVisibility ARRIVALS',
  'sqs:DeleteMessage ARRIVALS',
  'sqs:GetQueueAttributes ARRIVALS',
  'sqs:GetQueueUrl ARRIVALS',
  'sqs:ReceiveMessage ARRIVALS',
];
const SWEEP_MAY = [
  'logs:CreateLogStream log-group:/storestow/production/sweep:*',
  'logs:PutLogEvents log-group:/storestow/production/sweep:*',
  's3:GetObject BUCKET/sweep/*',
  's3:GetObjectTagging BUCKET/incoming/*',
  's3:ListBucket BUCKET',
  's3:PutObject BUCKET/sweep/*',
  'sqs:SendMessage ARRIVALS',
];

describe.skipIf(requirePeer('SST on Linux x64', platformSupported))('sst.config.ts in production', () => {
  let folder: TemporaryFolder;
  let resources: readonly Resource[];

  const inputsOf = (name: string): Readonly<Record<string, unknown>> => {
    const found = resources.filter((resource) => resource.name === name && resource.type.startsWith('aws:'));
    expect(found, name).toHaveLength(1);
    return found[0]?.inputs ?? {};
  };

  beforeAll(async () => {
    installPlatform();
    folder = await temporaryFolder('sst');
    const mapping = join(folder.path, 'institutions.plist');
    await writeFile(mapping, '<plist version="1.0"><dict><key>CT1</key><string>Example Clinic</string></dict></plist>');
    const config = join(folder.path, 'storestow.json');
    await writeFile(config, JSON.stringify({ ...CONFIG, coerce: { institutions: mapping } }));
    resources = synthesize({
      SST_STAGE: 'production',
      STORESTOW_CONFIG: config,
      STORESTOW_EXPIRE_STOWED_DAYS: '400',
      STORESTOW_INGEST_CONCURRENCY: '4',
      SST_SECRET_ArchivePassword: 'from the secret',
    });
  });

  afterAll(() => folder.remove());

  it('makes these resources and no other ones', () => {
    const made = resources.filter(({ type }) => type.startsWith('aws:')).map(({ type, name }) => `${type} ${name}`);
    expect(made.sort()).toEqual(EXPECTED);
  });

  it('keeps the bucket closed, encrypted and versioned, and never empties it', () => {
    expect(inputsOf('InstancesBucket')['forceDestroy']).toBe(false);
    expect(inputsOf('InstancesPublicAccessBlock')).toMatchObject({
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    expect(JSON.stringify(inputsOf('InstancesEncryption'))).toContain('AES256');
    expect(inputsOf('InstancesVersioning')['versioningConfiguration']).toEqual({ status: 'Enabled' });
    expect(resources.find(({ type }) => type === 'app')?.inputs).toMatchObject({ removal: 'retain-all', protect: true });
  });

  it('expires what is stowed, leases that were left, and nothing else that is current', () => {
    const rules = inputsOf('InstancesLifecycle')['rules'] as {
      readonly id: string;
      readonly expiration?: { readonly days?: number };
    }[];
    expect(rules.filter((rule) => rule.expiration?.days !== undefined)).toEqual([
      {
        id: 'leases',
        status: 'Enabled',
        filter: { prefix: 'leases/' },
        expiration: { days: 1 },
        noncurrentVersionExpiration: { noncurrentDays: 1 },
      },
      {
        id: 'stowed-originals',
        status: 'Enabled',
        filter: { and: { prefix: 'incoming/', tags: { status: 'stowed' } } },
        expiration: { days: 400 },
      },
    ]);
    expect(JSON.stringify(rules)).toContain('abortIncompleteMultipartUpload');
    expect(rules).toContainEqual({
      id: 'heartbeats',
      status: 'Enabled',
      filter: { prefix: 'heartbeats/' },
      noncurrentVersionExpiration: { noncurrentDays: 1 },
    });
  });

  it('queues each new object, and gives it up into the dead letters only', () => {
    const deadLetters = String(inputsOf('DeadLettersQueue')['name']);
    const { redrivePolicy, visibilityTimeoutSeconds } = inputsOf('ArrivalsQueue');
    const redrive = JSON.parse(String(redrivePolicy)) as { deadLetterTargetArn: string; maxReceiveCount: number };
    expect(redrive.deadLetterTargetArn.endsWith(`:${deadLetters}`)).toBe(true);
    expect(redrive.maxReceiveCount).toBeGreaterThanOrEqual(5);
    expect(inputsOf('ArrivalsSubscriberFunctionFunction')['environment']).toMatchObject({
      variables: { STORESTOW_MAX_RECEIVES: String(redrive.maxReceiveCount) },
    });
    expect(inputsOf('DeadLettersQueue')['messageRetentionSeconds']).toBe(14 * 86_400);
    const timeout = Number(inputsOf('ArrivalsSubscriberFunctionFunction')['timeout']);
    expect(Number(visibilityTimeoutSeconds)).toBeGreaterThanOrEqual(6 * timeout);
    expect(inputsOf('InstancesNotification')['queues']).toEqual([
      {
        queueArn: expect.stringContaining(String(inputsOf('ArrivalsQueue')['name'])) as unknown,
        events: [
          's3:ObjectCreated:Put',
          's3:ObjectCreated:Post',
          's3:ObjectCreated:Copy',
          's3:ObjectCreated:CompleteMultipartUpload',
        ],
        filterPrefix: 'incoming/',
      },
    ]);
    expect(inputsOf('DeadLettersAlarm')['dimensions']).toEqual({ QueueName: deadLetters });
  });

  it('lets this bucket alone send to the queue', () => {
    const [statement, ...more] = JSON.parse(String(inputsOf('ArrivalsPolicy')['policy'])) as Statement[];
    expect(more).toEqual([]);
    expect(statement?.principals).toEqual([{ type: 'Service', identifiers: ['s3.amazonaws.com'] }]);
    expect(statement?.actions).toEqual(['sqs:SendMessage']);
    expect(Object.fromEntries((statement?.conditions ?? []).map(({ variable, values }) => [variable, values]))).toEqual({
      'aws:SourceArn': [`arn:aws:s3:::${String(inputsOf('InstancesBucket')['bucket'])}`],
      'aws:SourceAccount': ['123456789012'],
    });
  });

  it('has room on its disk for the encoded frames of a large object', () => {
    expect(inputsOf('ArrivalsSubscriberFunctionFunction')).toMatchObject({ ephemeralStorage: { size: 4096 } });
  });

  it('protects the archive: batches, partial failures, a bound on functions at once', () => {
    expect(inputsOf('ArrivalsSubscriberEventSourceMapping')).toMatchObject({
      batchSize: 100,
      maximumBatchingWindowInSeconds: 5,
      functionResponseTypes: ['ReportBatchItemFailures'],
      scalingConfig: { maximumConcurrency: 4 },
    });
  });

  it('runs the packed handlers on Node 24, configured without a file, the secret only where it is needed', () => {
    const ingest = inputsOf('ArrivalsSubscriberFunctionFunction');
    const sweep = inputsOf('SweepHandlerFunction');
    const variablesOf = (inputs: Resource['inputs']): Readonly<Record<string, string>> =>
      (inputs['environment'] as { readonly variables: Record<string, string> }).variables;
    for (const inputs of [ingest, sweep]) {
      expect(inputs).toMatchObject({ runtime: 'nodejs24.x', handler: 'index.handler' });
      expect(JSON.parse(variablesOf(inputs)['STORESTOW_CONFIG'] ?? '')).toMatchObject({
        site: 'hq',
        archive: { url: CONFIG.archive.url, connections: 3, auth: { kind: 'basic', username: 'storestow' } },
        bucket: { kind: 's3', bucket: inputsOf('InstancesBucket')['bucket'], region: 'eu-central-1' },
        coerce: { institutions: 'bucket:config/institutions' },
      });
      expect(JSON.stringify(inputs)).not.toContain('only-for-the-uploader');
    }
    expect(variablesOf(ingest)['STORESTOW_ARCHIVE_PASSWORD']).toBe('from the secret');
    expect(variablesOf(sweep)['STORESTOW_ARCHIVE_PASSWORD']).toBeUndefined();
    expect(variablesOf(sweep)['STORESTOW_QUEUE_URL']).toContain(String(inputsOf('ArrivalsQueue')['name']));
    const builds = resources.filter(({ type }) => type === 'rpc:Runtime.Build').map(({ inputs }) => inputs['bundle']);
    expect(builds.sort()).toEqual(['dist-functions/ingest', 'dist-functions/sweep']);
    expect(inputsOf('Config-institutions')['key']).toBe('config/institutions');
  });

  it('allows each function what it does, and no more', () => {
    expect(allowedBy('ArrivalsSubscriberFunctionRole')).toEqual(INGEST_MAY);
    expect(allowedBy('SweepHandlerRole')).toEqual(SWEEP_MAY);
    for (const role of resources.filter(({ type }) => type === 'aws:iam/role:Role')) {
      expect(role.inputs['managedPolicyArns'] ?? [], role.name).toEqual([]);
      const service = role.name === 'SweepRole' ? 'scheduler.amazonaws.com' : 'lambda.amazonaws.com';
      expect(principalsOf(role.inputs['assumeRolePolicy']), role.name).toEqual([{ Service: service }]);
    }
  });

  it('has no wildcard in any permission', () => {
    const statements = resources.flatMap(({ type, inputs }) => (type.startsWith('aws:') ? policiesOf(inputs) : []));
    expect(statements.length).toBeGreaterThan(10);
    for (const { effect = 'Allow', actions, resources: targets } of statements) {
      if (effect === 'Deny') continue;
      expect(actions.filter((action) => action.includes('*'))).toEqual([]);
      expect(targets.filter((target) => target === '*' || target.endsWith(':*/*'))).toEqual([]);
    }
  });

  function allowedBy(roleName: string): string[] {
    const names: readonly [string, string][] = [
      [`arn:aws:s3:::${String(inputsOf('InstancesBucket')['bucket'])}`, 'BUCKET'],
      [`arn:aws:sqs:eu-central-1:123456789012:${String(inputsOf('ArrivalsQueue')['name'])}`, 'ARRIVALS'],
      ['arn:aws:logs:eu-central-1:123456789012:', ''],
    ];
    const shorten = (arn: string): string => names.reduce((text, [from, to]) => text.replace(from, to), arn);
    return policiesOf(inputsOf(roleName))
      .flatMap(({ actions, resources: targets }) =>
        actions.flatMap((action) => targets.map((arn) => `${action} ${shorten(arn)}`)),
      )
      .sort();
  }
});

describe.skipIf(requirePeer('SST on Linux x64', platformSupported))('sst.config.ts elsewhere', () => {
  let folder: TemporaryFolder;

  beforeAll(async () => {
    installPlatform();
    folder = await temporaryFolder('sst');
  });

  afterAll(() => folder.remove());

  it('keeps originals for ever, and takes no secret for an open archive, unless told otherwise', async () => {
    const config = join(folder.path, 'open.json');
    await writeFile(config, JSON.stringify({ archive: { url: 'https://pacs.example/rs/studies' } }));
    const resources = synthesize({ SST_STAGE: 'trial', STORESTOW_CONFIG: config });
    const lifecycle = resources.find(({ name }) => name === 'InstancesLifecycle')?.inputs['rules'] as { readonly id: string }[];
    expect(lifecycle.map(({ id }) => id)).toEqual(['abandoned-uploads', 'leases', 'heartbeats', 'deleted-versions']);
    expect(resources.filter(({ type }) => type === 'sst:sst:Secret')).toEqual([]);
    expect(resources.find(({ type }) => type === 'app')?.inputs).toMatchObject({ removal: 'retain', protect: false });
  });

  it.skipIf(requirePeer('openssl', opensslAvailable()))(
    'packs the files of archive.tls, but no key that is not encrypted',
    async () => {
      const hospital = await createAuthority(folder.path, 'hospital');
      const passphrase = 'correct horse';
      const own = await hospital.issue('storestow', { usage: 'clientAuth', passphrase });
      const config = join(folder.path, 'tls.json');
      const write = async (tls: object): Promise<void> =>
        writeFile(config, JSON.stringify({ archive: { url: 'https://pacs.example/rs/studies', tls } }));
      await write({ ca: ['system', hospital.ca], ...own, passphrase });
      const resources = synthesize({
        SST_STAGE: 'trial',
        STORESTOW_CONFIG: config,
        SST_SECRET_ArchiveTlsPassphrase: 'the secret',
      });
      const inputs = resources.find(
        ({ type, name }) => type === 'aws:lambda/function:Function' && name.includes('Arrivals'),
      )?.inputs;
      const { variables } = inputs?.['environment'] as { readonly variables: Readonly<Record<string, string>> };
      expect(JSON.parse(variables['STORESTOW_CONFIG'] ?? '')).toMatchObject({
        archive: {
          tls: { ca: ['system', '/var/task/tls/ca-1.pem'], cert: '/var/task/tls/cert.pem', key: '/var/task/tls/key.pem' },
        },
      });
      expect(variables['STORESTOW_ARCHIVE_TLS_PASSPHRASE']).toBe('the secret');
      expect(JSON.stringify(resources)).not.toContain(passphrase);
      const packed = resources.filter(({ type }) => type === 'package').map(({ name, inputs: { files } }) => ({ name, files }));
      const ofIngest = packed.find(({ name }) => name.includes('Arrivals'))?.files;
      expect(ofIngest).toEqual(expect.arrayContaining(['index.mjs', 'tls/ca-1.pem', 'tls/cert.pem', 'tls/key.pem']));
      expect(packed.find(({ name }) => name.includes('Sweep'))?.files).not.toContain('tls/key.pem');

      await write({ ca: hospital.ca, ...(await hospital.issue('open', { usage: 'clientAuth' })) });
      expect(() => synthesize({ SST_STAGE: 'trial', STORESTOW_CONFIG: config })).toThrow(
        /is not encrypted.*openssl pkey -aes256/,
      );
      await write({ ca: own.key });
      expect(() => synthesize({ SST_STAGE: 'trial', STORESTOW_CONFIG: config })).toThrow(/has no certificate in PEM/);
    },
  );

  it('refuses a configuration without an archive, and settings that are no numbers', async () => {
    const config = join(folder.path, 'none.json');
    await writeFile(config, '{}');
    expect(() => synthesize({ SST_STAGE: 'trial', STORESTOW_CONFIG: config })).toThrow(/names no archive; set archive\.url/);
    expect(() => synthesize({ SST_STAGE: 'trial', STORESTOW_CONFIG: config, STORESTOW_EXPIRE_STOWED_DAYS: 'soon' })).toThrow(
      /STORESTOW_EXPIRE_STOWED_DAYS is soon; give a whole number/,
    );
  });
});

function synthesize(env: Readonly<Record<string, string>>): readonly Resource[] {
  const printed = run(process.execPath, ['--import', 'tsx', join('test', 'infra', 'synthesize.ts')], {
    cwd: ROOT,
    env: { ...process.env, STORESTOW_EXPIRE_STOWED_DAYS: '', STORESTOW_INGEST_CONCURRENCY: '', ...env },
  });
  return printed
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Resource)
    .map((resource) => ({ ...resource, name: resource.name.replace(/(Subscriber)[A-Z][a-z]{5}/, '$1') }));
}

/** All statements of the policies among a resource's properties. */
function policiesOf(inputs: Resource['inputs']): Statement[] {
  const inline = (inputs['inlinePolicies'] ?? []) as { readonly policy: string }[];
  const texts = [...inline.map(({ policy }) => policy), ...(typeof inputs['policy'] === 'string' ? [inputs['policy']] : [])];
  return texts.flatMap((text) => JSON.parse(text) as Statement[]);
}

function principalsOf(assumeRolePolicy: unknown): unknown[] {
  const document = (typeof assumeRolePolicy === 'string' ? JSON.parse(assumeRolePolicy) : assumeRolePolicy) as {
    readonly Statement?: { readonly Principal: unknown }[];
  };
  return document.Statement?.map(({ Principal }) => Principal) ?? [document];
}
