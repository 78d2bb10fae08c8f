/**
 * Runs sst.config.ts with SST's real components under Pulumi's mocks, and prints every resource with its properties, one
 * JSON line each. A program of its own, under tsx: SST's sources are written for a bundler.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PLATFORM, ROOT } from './sst-platform.ts';

/** What is used of Pulumi; its types are there only after the platform's installation. */
interface PulumiRuntime {
  setMocks(
    mocks: { newResource(args: MockResource): unknown; call(args: MockCall): unknown },
    project: string,
    stack: string,
  ): Promise<void>;
  runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
}

interface MockResource {
  readonly type: string;
  readonly name: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

interface MockCall {
  readonly token: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}

interface SstConfig {
  app(input: { readonly stage: string }): Record<string, unknown>;
  run(): Promise<unknown>;
}

const ACCOUNT = '123456789012';
const REGION = 'eu-central-1';
const stage = process.env['SST_STAGE'] ?? 'production';
const work = mkdtempSync(join(tmpdir(), 'storestow-sst-'));
const code = join(work, 'code');

const platformModule = (path: string): Promise<Record<string, unknown>> =>
  import(pathToFileURL(join(PLATFORM, path)).href) as Promise<Record<string, unknown>>;
const platformRequire = createRequire(join(PLATFORM, 'package.json'));
const { runtime } = platformRequire('@pulumi/pulumi') as { readonly runtime: PulumiRuntime };

/** SST's own server, which `sst deploy` runs beside the program. */
const ANSWERS: Readonly<Record<string, unknown>> = {
  'Provider.Aws.Bootstrap': { asset: 'sst-assets', assetEcrRegistryId: ACCOUNT, assetEcrUrl: 'ecr', state: 'sst-state' },
  'Provider.Aws.Appsync': { http: 'appsync', realtime: 'appsync' },
  'Runtime.Build': { handler: 'index.handler', out: code, errors: [], sourcemaps: [] },
  'Runtime.AddTarget': {},
};

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const { method, params } = JSON.parse(Buffer.concat(chunks).toString()) as { method: string; params: unknown[] };
    if (method === 'Runtime.Build') print({ type: 'rpc:Runtime.Build', name: method, inputs: params[0] });
    const result = ANSWERS[method];
    response.end(JSON.stringify(result === undefined ? { error: `rpc: can't find ${method}` } : { result }));
  });
});

function print(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Of the files in an archive, by its central directory (APPNOTE.TXT 4.3.12). */
function namesIn(zip: Buffer): string[] {
  const names: string[] = [];
  for (let at = zip.indexOf('PK\x01\x02', 0, 'latin1'); at !== -1; at = zip.indexOf('PK\x01\x02', at + 46, 'latin1'))
    names.push(zip.toString('utf8', at + 46, at + 46 + zip.readUInt16LE(at + 28)));
  return names;
}

/** What AWS would tell of a resource after its creation. */
function stateOf({ type, name, inputs }: MockResource): Record<string, unknown> {
  const service = type.split(':')[1]?.split('/')[0] ?? 'unknown';
  const kind = type.split(':').at(-1) ?? '';
  const physical =
    typeof inputs['name'] === 'string' ? inputs['name'] : typeof inputs['bucket'] === 'string' ? inputs['bucket'] : name;
  const arns: Readonly<Record<string, string>> = {
    Bucket: `arn:aws:s3:::${physical}`,
    Queue: `arn:aws:sqs:${REGION}:${ACCOUNT}:${physical}`,
    Function: `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${physical}`,
    LogGroup: `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:${physical}`,
  };
  return {
    ...inputs,
    name: physical,
    ...(kind === 'Bucket' ? { bucket: physical } : {}),
    ...(kind === 'RandomBytes' ? { base64: Buffer.alloc(32).toString('base64') } : {}),
    arn: arns[kind] ?? `arn:aws:${service}:${REGION}:${ACCOUNT}:${physical}`,
    url: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${physical}`,
  };
}

function answerCall({ token, inputs }: MockCall): Record<string, unknown> {
  switch (token) {
    case 'aws:iam/getPolicyDocument:getPolicyDocument':
      return { ...inputs, json: JSON.stringify(inputs['statements']) };
    case 'aws:index/getCallerIdentity:getCallerIdentity':
      return { accountId: ACCOUNT };
    case 'aws:index/getRegion:getRegion':
      return { region: REGION };
    case 'aws:index/getPartition:getPartition':
      return { partition: 'aws' };
    default:
      throw new Error(`the mocks do not answer ${token}`);
  }
}

mkdirSync(code);
writeFileSync(join(code, 'index.mjs'), 'export const handler = () => undefined;\n');
server.listen(0, '127.0.0.1').unref();
await new Promise((resolve) => server.once('listening', resolve));
process.env['SST_SERVER'] = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;

await runtime.setMocks(
  {
    newResource: (args) => {
      print({ type: args.type, name: args.name, inputs: args.inputs });
      return { id: `${args.name}-id`, state: stateOf(args) };
    },
    call: answerCall,
  },
  'storestow',
  stage,
);
const globals = globalThis as Record<string, unknown>;
Object.assign(globals, {
  $cli: { command: 'deploy', rpc: '', paths: { home: work, root: ROOT, work, platform: PLATFORM }, state: { version: {} } },
  $dev: false,
  $app: { name: 'storestow', stage, removal: 'retain', protect: false, providers: {} },
  aws: platformRequire('@pulumi/aws') as unknown,
});
Object.assign(globals, await platformModule('src/shim/run.js'));
globals['sst'] = await platformModule('src/components/index.ts');
const { run } = (await platformModule('src/auto/run.ts')) as {
  readonly run: (program: () => Promise<unknown>) => Promise<unknown>;
};
const { default: config } = (await import(pathToFileURL(join(ROOT, 'sst.config.ts')).href)) as { readonly default: SstConfig };
const app = config.app({ stage });
Object.assign(globals['$app'] as object, app);
print({ type: 'app', name: 'app', inputs: app });
await runtime.runInPulumiStack(() => run(() => config.run()));
// Packages are made after all else.
process.once('exit', () => {
  for (const name of readdirSync(join(work, 'artifacts')))
    print({ type: 'package', name, inputs: { files: namesIn(readFileSync(join(work, 'artifacts', name, 'code.zip'))) } });
  rmSync(work, { recursive: true, force: true });
});
