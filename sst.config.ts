/// <reference path="./.sst/platform/config.d.ts" />

/**
 * storestow in an AWS account: `npm run build:functions && npx sst deploy --stage production`.
 *
 * | setting                          | meaning                                                            | default        |
 * |----------------------------------|--------------------------------------------------------------------|----------------|
 * | `STORESTOW_CONFIG`               | configuration file; its `bucket` is replaced by the one made here  | storestow.json |
 * | `STORESTOW_EXPIRE_STOWED_DAYS`   | days after which an original with the tag `status=stowed` expires  | never          |
 * | `STORESTOW_INGEST_CONCURRENCY`   | ingest functions at once, each with the archive's `connections`    | 2              |
 *
 * Secrets stand nowhere in files: `sst secret set ArchivePassword …` (basic), `ArchiveToken` (bearer) or
 * `ArchiveClientSecret` (oauth2); `ArchiveTlsPassphrase` opens the key of a client certificate.
 * The files of `archive.tls` go into the package of the ingest function: renewed ones need another deployment.
 * Rules and institution mapping are uploaded from the paths that the configuration gives.
 */
/** Seconds. */
const DAY = 86_400;
const INGEST_TIMEOUT_MINUTES = 10;
/** Tries until a message is given up. */
const TRIES = 5;
/** AWS's recommendation for a queue that starts a function: time for its retries of a throttled batch. */
const VISIBILITY_PER_TIMEOUT = 6;
/** Of `archive.auth`: what a function has in its environment instead. */
const SECRETS = new Set(['password', 'passwordFile', 'token', 'tokenFile', 'clientSecret', 'clientSecretFile']);

export default $config({
  app(input) {
    const production = input.stage === 'production';
    return {
      name: 'storestow',
      home: 'aws',
      removal: production ? 'retain-all' : 'retain',
      protect: production,
    };
  },

  async run() {
    const { loadConfig } = await import('./core/config/load.ts');
    const { packagedTls } = await import('./scripts/packaged-tls.ts');
    const configPath = process.env['STORESTOW_CONFIG'] ?? 'storestow.json';
    const expireStowedDays = wholeNumber('STORESTOW_EXPIRE_STOWED_DAYS', 1, 36_500);
    // AWS allows no less than two.
    const ingestConcurrency = wholeNumber('STORESTOW_INGEST_CONCURRENCY', 2, 1000) ?? 2;
    const config = await loadConfig({ path: configPath, env: {} });
    const archive = config.archive;
    if (archive === undefined)
      throw new Error(`${configPath} names no archive; set archive.url (the embedded archive is not for Lambda)`);
    const tls = archive.tls === undefined ? undefined : packagedTls(archive.tls);

    // --- The bucket: the only thing that must survive. Deleting it, or what is in it, is no part of any deployment.
    const bucket = new sst.aws.Bucket('Instances', {
      cors: false,
      versioning: true,
      transform: { bucket: { forceDestroy: false } },
    });
    const account = aws.getCallerIdentityOutput().accountId;
    const region = aws.getRegionOutput().region;

    new aws.s3.BucketServerSideEncryptionConfiguration('InstancesEncryption', {
      bucket: bucket.name,
      rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: 'AES256' } }],
    });
    new aws.s3.BucketOwnershipControls('InstancesOwnership', {
      bucket: bucket.name,
      rule: { objectOwnership: 'BucketOwnerEnforced' },
    });
    new aws.s3.BucketLifecycleConfiguration('InstancesLifecycle', {
      bucket: bucket.name,
      rules: [
        { id: 'abandoned-uploads', status: 'Enabled', filter: {}, abortIncompleteMultipartUpload: { daysAfterInitiation: 7 } },
        // What a function that died has left. The bucket keeps versions: of a lease nobody needs them.
        {
          id: 'leases',
          status: 'Enabled',
          filter: { prefix: 'leases/' },
          expiration: { days: 1 },
          noncurrentVersionExpiration: { noncurrentDays: 1 },
        },
        // One a minute and site, of which the last one counts.
        {
          id: 'heartbeats',
          status: 'Enabled',
          filter: { prefix: 'heartbeats/' },
          noncurrentVersionExpiration: { noncurrentDays: 1 },
        },
        {
          id: 'deleted-versions',
          status: 'Enabled',
          filter: {},
          noncurrentVersionExpiration: { noncurrentDays: 30 },
          expiration: { expiredObjectDeleteMarker: true },
        },
        ...(expireStowedDays === undefined
          ? []
          : [
              {
                id: 'stowed-originals',
                status: 'Enabled',
                filter: { and: { prefix: 'incoming/', tags: { status: 'stowed' } } },
                expiration: { days: expireStowedDays },
              },
            ]),
      ],
    });

    // --- Arrivals. The dead letters stay for as long as SQS keeps anything; the sweep queues their objects again.
    const deadLetters = new sst.aws.Queue('DeadLetters', {
      transform: { queue: { messageRetentionSeconds: 14 * DAY, sqsManagedSseEnabled: true } },
    });
    const arrivals = new sst.aws.Queue('Arrivals', {
      visibilityTimeout: `${INGEST_TIMEOUT_MINUTES * VISIBILITY_PER_TIMEOUT} minutes`,
      dlq: { queue: deadLetters.arn, retry: TRIES },
      transform: { queue: { messageRetentionSeconds: 14 * DAY, sqsManagedSseEnabled: true, receiveWaitTimeSeconds: 20 } },
    });
    new aws.sqs.RedriveAllowPolicy('DeadLettersAllow', {
      queueUrl: deadLetters.url,
      redriveAllowPolicy: $jsonStringify({ redrivePermission: 'byQueue', sourceQueueArns: [arrivals.arn] }),
    });
    // Not `bucket.notify`: its queue policy lets S3, SNS and EventBridge of any account send.
    const mayNotify = new aws.sqs.QueuePolicy('ArrivalsPolicy', {
      queueUrl: arrivals.url,
      policy: aws.iam.getPolicyDocumentOutput({
        statements: [
          {
            effect: 'Allow',
            principals: [{ type: 'Service', identifiers: ['s3.amazonaws.com'] }],
            actions: ['sqs:SendMessage'],
            resources: [arrivals.arn],
            conditions: [
              { test: 'ArnEquals', variable: 'aws:SourceArn', values: [bucket.arn] },
              { test: 'StringEquals', variable: 'aws:SourceAccount', values: [account] },
            ],
          },
        ],
      }).json,
    });
    // By name: `s3:ObjectCreated:*` includes tagging on some stores, and the functions tag their own objects.
    new aws.s3.BucketNotification(
      'InstancesNotification',
      {
        bucket: bucket.name,
        queues: [
          {
            queueArn: arrivals.arn,
            events: [
              's3:ObjectCreated:Put',
              's3:ObjectCreated:Post',
              's3:ObjectCreated:Copy',
              's3:ObjectCreated:CompleteMultipartUpload',
            ],
            filterPrefix: 'incoming/',
          },
        ],
      },
      { dependsOn: [mayNotify] },
    );

    // --- The configuration that the functions see: the bucket made here, rules and mapping as objects in it, no secret.
    const coerce = { ...config.coerce };
    for (const setting of ['rules', 'institutions'] as const) {
      const path = coerce[setting];
      if (path === undefined || path.startsWith('bucket:')) continue;
      const key = `config/${setting}`;
      new aws.s3.BucketObjectv2(`Config-${setting}`, { bucket: bucket.name, key, source: $asset(path) });
      coerce[setting] = `bucket:${key}`;
    }
    const functionConfig = $resolve([bucket.name, region]).apply(([name, regionName]) =>
      JSON.stringify({
        ...config,
        coerce,
        archive: { ...archive, auth: withoutSecret(archive.auth), ...(tls === undefined ? {} : { tls: tls.setting }) },
        bucket: { kind: 's3', bucket: name, region: regionName },
      }),
    );
    const secrets: Record<string, $util.Input<string>> = {
      ...(archive.auth.kind === 'basic' ? { STORESTOW_ARCHIVE_PASSWORD: new sst.Secret('ArchivePassword').value } : {}),
      ...(archive.auth.kind === 'bearer' ? { STORESTOW_ARCHIVE_TOKEN: new sst.Secret('ArchiveToken').value } : {}),
      ...(archive.auth.kind === 'oauth2' ? { STORESTOW_ARCHIVE_CLIENT_SECRET: new sst.Secret('ArchiveClientSecret').value } : {}),
      ...(archive.tls?.key === undefined
        ? {}
        : { STORESTOW_ARCHIVE_TLS_PASSPHRASE: new sst.Secret('ArchiveTlsPassphrase').value }),
    };

    // --- Functions. Each has its own log group and may write to that one only (AWS's managed policy: to any).
    const lambdaOnly = aws.iam.assumeRolePolicyForPrincipal({ Service: 'lambda.amazonaws.com' });
    const bundled = (name: string, folder: string) => {
      const logGroup = new aws.cloudwatch.LogGroup(`${name}Logs`, {
        name: `/storestow/${$app.stage}/${folder}`,
        retentionInDays: 365,
      });
      return {
        bundle: `dist-functions/${folder}`,
        handler: 'index.handler',
        runtime: 'nodejs24.x' as const,
        architecture: 'x86_64' as const,
        logging: { logGroup: logGroup.name, format: 'json' as const },
        // SST 4.17 also lets the whole account assume the role: meant for `sst dev` only, but always there.
        transform: { role: { managedPolicyArns: [], assumeRolePolicy: lambdaOnly } },
        logPermission: { actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [$interpolate`${logGroup.arn}:*`] },
      };
    };
    const incoming = $interpolate`${bucket.arn}/incoming/*`;

    const { logPermission: ingestLogs, ...ingest } = bundled('Ingest', 'ingest');
    arrivals.subscribe(
      {
        ...ingest,
        copyFiles: [...(tls?.files ?? [])],
        description: 'Coerces, encodes and stores arrivals in the archive',
        memory: '3008 MB',
        // Where the encoded frames of a large object wait.
        storage: '4 GB',
        timeout: `${INGEST_TIMEOUT_MINUTES} minutes`,
        environment: { ...secrets, STORESTOW_CONFIG: functionConfig, STORESTOW_MAX_RECEIVES: String(TRIES) },
        permissions: [
          ingestLogs,
          { actions: ['s3:GetObject', 's3:GetObjectTagging', 's3:PutObjectTagging'], resources: [incoming] },
          { actions: ['s3:GetObject'], resources: [$interpolate`${bucket.arn}/config/*`] },
          // Each rule set that was ever used is kept, once.
          { actions: ['s3:GetObject', 's3:PutObject'], resources: [$interpolate`${bucket.arn}/rules/*`] },
          // The lease on a study: taken, renewed, and deleted at the end under a condition, which needs the right to read it.
          {
            actions: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
            resources: [$interpolate`${bucket.arn}/leases/*`],
          },
          // What is taken of a worklist is kept, before it is used.
          { actions: ['s3:GetObject', 's3:PutObject'], resources: [$interpolate`${bucket.arn}/worklist/*`] },
          // Without it S3 answers 403, not 404, for an object that is gone.
          { actions: ['s3:ListBucket'], resources: [bucket.arn] },
        ],
      },
      {
        batch: { size: 100, window: '5 seconds', partialResponses: true },
        // Not reserved concurrency: what that throttles counts as a try, and ends in the dead letters.
        transform: { eventSourceMapping: { scalingConfig: { maximumConcurrency: ingestConcurrency } } },
      },
    );

    const { logPermission: sweepLogs, ...sweep } = bundled('Sweep', 'sweep');
    new sst.aws.CronV2('Sweep', {
      schedule: 'rate(1 hour)',
      function: {
        ...sweep,
        description: 'Queues again what has no outcome',
        memory: '512 MB',
        timeout: '10 minutes',
        environment: { STORESTOW_CONFIG: functionConfig, STORESTOW_QUEUE_URL: arrivals.url },
        permissions: [
          sweepLogs,
          { actions: ['s3:GetObjectTagging'], resources: [incoming] },
          // Where it is in its round.
          { actions: ['s3:GetObject', 's3:PutObject'], resources: [$interpolate`${bucket.arn}/sweep/*`] },
          { actions: ['s3:ListBucket'], resources: [bucket.arn] },
          { actions: ['sqs:SendMessage'], resources: [arrivals.arn] },
        ],
      },
    });

    // --- For people: an alarm on dead letters, and the policy for a site's uploader.
    new aws.cloudwatch.MetricAlarm('DeadLettersAlarm', {
      alarmDescription: 'Arrivals were given up after all tries; `storestow audit --status pending` lists their objects',
      namespace: 'AWS/SQS',
      metricName: 'ApproximateNumberOfMessagesVisible',
      dimensions: { QueueName: deadLetters.nodes.queue.name },
      statistic: 'Maximum',
      period: 300,
      evaluationPeriods: 1,
      threshold: 0,
      comparisonOperator: 'GreaterThanThreshold',
      treatMissingData: 'notBreaching',
    });
    const uploader = new aws.iam.Policy('UploaderPolicy', {
      description: 'What a site that uploads to storestow may do',
      policy: aws.iam.getPolicyDocumentOutput({
        statements: [
          { actions: ['s3:PutObject', 's3:GetObject', 's3:AbortMultipartUpload'], resources: [incoming] },
          // What it brought, written down for the audit.
          { actions: ['s3:PutObject'], resources: [$interpolate`${bucket.arn}/manifests/*`] },
          { actions: ['s3:PutObject'], resources: [$interpolate`${bucket.arn}/heartbeats/*`] },
          { actions: ['s3:ListBucket'], resources: [bucket.arn] },
        ],
      }).json,
    });

    return { bucket: bucket.name, arrivals: arrivals.url, deadLetters: deadLetters.url, uploaderPolicy: uploader.arn };
  },
});

function wholeNumber(name: string, least: number, most: number): number | undefined {
  const text = process.env[name] ?? '';
  if (text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`${name} is ${text}; give a whole number from ${least} to ${most}`);
  return value;
}

/** The functions take the secret from their environment (core/config/load.ts). */
function withoutSecret(auth: object): object {
  return Object.fromEntries(Object.entries(auth).filter(([setting]) => !SECRETS.has(setting)));
}
