/**
 * Packs the Lambda handlers: `dist-functions/{ingest,sweep}`, each a folder that runs as it is. All code is bundled but the
 * packages that find their own files beside them (a worker script, a WebAssembly binary); these are copied, without what
 * they do not need at run time.
 */
import { cp, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

interface FunctionPackage {
  readonly name: string;
  /** Output's name → source. Workers lie beside the module that starts them. */
  readonly entries: Readonly<Record<string, string>>;
  /** npm package → what is copied of it beside its package.json. */
  readonly copied: Readonly<Record<string, readonly string[]>>;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUTPUT = join(ROOT, 'dist-functions');

/** Lambda's limit for a function's unzipped code. */
const MAX_BYTES = 250 * 1024 * 1024;

const PACKAGES: readonly FunctionPackage[] = [
  {
    name: 'ingest',
    entries: { index: 'functions/ingest/handler.ts', 'frame-worker': 'core/encode/frame-worker.ts' },
    copied: {
      'iconv-lite': ['lib', 'encodings'],
      'safer-buffer': ['safer.js'],
      piscina: ['dist'],
      '@cornerstonejs/codec-openjpeg': ['dist/openjpegwasm.js', 'dist/openjpegwasm.wasm'],
      '@cornerstonejs/codec-openjph': ['dist/openjphjs.js', 'dist/openjphjs.wasm'],
    },
  },
  { name: 'sweep', entries: { index: 'functions/sweep/handler.ts' }, copied: {} },
];

/** CommonJS packages inside an ES module still call `require` for Node's own modules. */
const REQUIRE =
  "import { createRequire as createRequireOfBundle } from 'node:module';\nconst require = createRequireOfBundle(import.meta.url);";

/** Function's name → its bytes, unzipped. */
export async function buildFunctions(output: string = OUTPUT): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  await rm(output, { recursive: true, force: true });
  for (const { name, entries, copied } of PACKAGES) {
    const folder = join(output, name);
    await mkdir(folder, { recursive: true });
    await bundle(folder, entries, Object.keys(copied));
    for (const packageName of Object.keys(copied)) await copyPackage(packageName, copied, folder);
    const bytes = await sizeOf(folder);
    if (bytes > MAX_BYTES) throw new Error(`${folder} has ${bytes} bytes; Lambda takes ${MAX_BYTES}`);
    sizes.set(name, bytes);
  }
  return sizes;
}

/** ES modules below `folder`, each with all that it imports but the `external` packages. */
export async function bundle(
  folder: string,
  entries: Readonly<Record<string, string>>,
  external: readonly string[],
): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: { ...entries },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: external.flatMap((name) => [name, `${name}/*`]),
    banner: { js: REQUIRE },
    minifySyntax: true,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
  });
}

async function copyPackage(name: string, copied: FunctionPackage['copied'], folder: string): Promise<void> {
  const from = join(ROOT, 'node_modules', name);
  const to = join(folder, 'node_modules', name);
  const { dependencies = {} } = JSON.parse(await readFile(join(from, 'package.json'), 'utf8')) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  const missing = Object.keys(dependencies).filter((dependency) => !Object.hasOwn(copied, dependency));
  if (missing.length > 0) throw new Error(`${name} depends on ${missing.join(', ')}; copy them too`);
  for (const part of ['package.json', ...(copied[name] ?? [])]) {
    await mkdir(dirname(join(to, part)), { recursive: true });
    await cp(join(from, part), join(to, part), {
      recursive: true,
      filter: (path) => !/\.(?:map|d\.ts|d\.mts)$/.test(path),
    });
  }
}

async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = files.filter((file) => file.isFile()).map(async (file) => (await stat(join(file.parentPath, file.name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

if (import.meta.main) {
  for (const [name, bytes] of await buildFunctions())
    console.log(`dist-functions/${name}: ${(bytes / 1024 / 1024).toFixed(1)} MiB`);
}
