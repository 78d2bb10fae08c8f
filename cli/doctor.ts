/** `storestow doctor`: checks what storestow depends on, and says of each thing that is wrong what to do. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import type { ArchiveConfig, BucketConfig, Config } from '../core/config/schema.ts';
import { asStorestowError, StorestowError } from '../core/errors.ts';
import { openStore } from '../core/store/open-store.ts';
import type { ObjectStore } from '../core/store/object-store.ts';
import { createArchive } from '../core/stow/dicomweb-archive.ts';
import { openRuleSet } from '../functions/ingest/open-rule-set.ts';
import { checkCredentials } from './check-credentials.ts';
import { checkRequestLength } from './check-request-length.ts';
import { checkClientCertificate, checkServerCertificate } from './check-tls.ts';
import { checkWorklist } from './check-worklist.ts';
import { bucketOption, Command, configOption, dataOption, examples, type Subcommand } from './command.ts';
import { EXIT, type Finish } from './exit-code.ts';
import { loadSettings } from './settings.ts';

/** What is there, in a few words; throws where it is not as it must be. */
interface Check {
  readonly name: string;
  readonly optional?: boolean;
  run(): Promise<string>;
}

const PROBE_PREFIX = 'doctor/';
const run = promisify(execFile);

export function doctorCommand(finish: Finish): Subcommand {
  return new Command('doctor')
    .description('Check configuration, rules, bucket, archive and DCMTK, and say what to correct')
    .optionsGroup('Configuration:')
    .addOption(configOption())
    .addOption(bucketOption())
    .addOption(dataOption())
    .addHelpText(
      'after',
      examples(
        ['storestow doctor', 'what storestow up runs here'],
        ['storestow doctor --config /etc/storestow/config.json', 'an installation'],
      ),
    )
    .action(async (options) => {
      const { config, bucket } = await loadSettings(options);
      process.stdout.write('ok    configuration\n');
      const failures = await runChecks(checksOf(config, bucket));
      finish(failures === 0 ? EXIT.done : EXIT.failed);
    });
}

async function runChecks(checks: readonly Check[]): Promise<number> {
  let failures = 0;
  for (const check of checks) {
    try {
      process.stdout.write(`ok    ${check.name}: ${await check.run()}\n`);
    } catch (thrown) {
      const { code, message } = asStorestowError(thrown, check.name);
      if (check.optional !== true) failures += 1;
      process.stdout.write(`${check.optional === true ? 'warn ' : 'FAIL '} ${check.name}: ${code}: ${message}\n`);
    }
  }
  return failures;
}

function checksOf(config: Config, bucket: BucketConfig): readonly Check[] {
  const withStore = async (use: (store: ObjectStore) => Promise<string>): Promise<string> => {
    const store = await openStore(bucket);
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  };
  return [
    { name: 'Node', run: async () => process.version },
    { name: 'rules and institutions', run: () => withStore((store) => rules(config, store)) },
    { name: 'bucket', run: () => withStore(probeBucket) },
    ...accessChecks(config.archive),
    { name: 'archive', run: () => probeArchive(config) },
    { name: 'request length', run: () => checkRequestLength(config) },
    ...worklistChecks(config),
    { name: 'DCMTK', optional: true, run: storescpVersion },
  ];
}

/** What must be right before the archive answers. */
function accessChecks(archive: ArchiveConfig | undefined): readonly Check[] {
  if (archive === undefined) return [];
  const secured = archive.url.startsWith('https:');
  return [
    { name: 'credentials', run: () => checkCredentials(archive) },
    ...(secured ? [{ name: 'TLS', run: () => checkServerCertificate(archive) }] : []),
    ...(secured && archive.tls?.cert !== undefined
      ? [{ name: 'client certificate', run: () => checkClientCertificate(archive) }]
      : []),
  ];
}

function worklistChecks({ archive, coerce: { worklist } }: Config): readonly Check[] {
  if (archive === undefined || worklist === undefined) return [];
  return [{ name: 'worklist', run: () => checkWorklist(worklist, archive) }];
}

async function rules(config: Config, store: ObjectStore): Promise<string> {
  const { rules: list, institutions } = await openRuleSet(config.coerce, store);
  return `${list.length} rules, ${institutions === undefined ? 'no institution mapping' : `${institutions.size} sources mapped`}`;
}

/** Everything that storestow asks of a bucket, on an object outside of what is received. */
async function probeBucket(store: ObjectStore): Promise<string> {
  const key = `${PROBE_PREFIX}${randomUUID()}`;
  const body = new TextEncoder().encode('storestow doctor');
  await store.put(key, body, { ifAbsent: true, tags: { probe: 'yes' } });
  try {
    await expectRefusal(store, key, body);
    const read = await (await store.get(key)).bytes();
    if (Buffer.compare(read, body) !== 0) throw wrong(store, 'it gives back other bytes than it was given');
    if ((await store.getTags(key))['probe'] !== 'yes') throw wrong(store, 'it keeps no tags; audit cannot work with it');
    for await (const info of store.list({ prefix: key }))
      if (info.key === key) return `${store.description}: put, get, tags, list, conditional put`;
    throw wrong(store, 'it does not list what it holds; the sweep cannot work with it');
  } finally {
    await store.delete(key);
  }
}

async function expectRefusal(store: ObjectStore, key: string, body: Uint8Array): Promise<void> {
  try {
    await store.put(key, body, { ifAbsent: true });
  } catch (thrown) {
    if (asStorestowError(thrown).code === 'PRECONDITION_FAILED') return;
    throw thrown;
  }
  throw wrong(
    store,
    'it ignores If-None-Match: a second upload would overwrite an original; use a store that has conditional writes',
  );
}

function wrong(store: ObjectStore, what: string): StorestowError {
  return new StorestowError('STORE_INVALID', `${store.description} will not do: ${what}`, { object: store.description });
}

/** A question about a study that nobody has: it shows address, authentication and QIDO-RS. */
async function probeArchive({ archive: config, site }: Config): Promise<string> {
  if (config === undefined) return 'none configured: storestow up runs the embedded one';
  const archive = createArchive({ config, source: { aet: 'STORESTOW', institution: 'storestow', site } });
  try {
    await archive.find('1.2.826.0.1.3680043.10.99', ['1.2.826.0.1.3680043.10.99.1']);
    return `${archive.description} answers`;
  } finally {
    await archive.close();
  }
}

async function storescpVersion(): Promise<string> {
  try {
    const { stdout } = await run('storescp', ['--version']);
    // `$dcmtk: storescp v3.6.7 2022-04-22 $`
    const version = /\$dcmtk: (.+?) *\$/.exec(stdout)?.[1];
    if (version !== undefined) return version;
  } catch (cause) {
    throw new StorestowError('USAGE', 'storescp is not on the PATH; install DCMTK (apt-get install dcmtk, brew install dcmtk)', {
      cause,
    });
  }
  throw new StorestowError('USAGE', 'the storescp on the PATH is not that of DCMTK; put DCMTK first on the PATH');
}
