/** That the import rules of docs/architecture.md can fail: a tree that breaks each of them once. `npm run lint` has them hold. */
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder, type TemporaryFolder } from '../support/temporary-folder.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['core', 'functions', 'local-uploader', 'local-cloud', 'cli'];

/** File → what it imports, and the rule that forbids it. */
const BROKEN: readonly [file: string, statement: string, rule: string | undefined][] = [
  ['core/coerce/a.ts', "import '../encode/b.ts';", 'step-coerce'],
  ['core/encode/b.ts', "import 'zod';", 'vendor-zod'],
  ['core/stow/c.ts', "import '../../functions/ingest/h.ts';", 'core-stands-alone'],
  ['core/store/d.ts', "import type { Piscina } from 'piscina';\nexport type Pool = Piscina;", 'vendor-piscina'],
  ['core/audit/i.ts', "import '@aws-sdk/client-s3';", 'vendor-@aws-sdk'],
  ['core/config/f.ts', "import '../store/d.ts';", 'shared-files-know-no-step'],
  ['core/dicom/x.ts', "import './y.ts';", 'no-circle'],
  // The circle is told once.
  ['core/dicom/y.ts', "import './x.ts';", undefined],
  ['functions/ingest/h.ts', "import '../../local-uploader/u.ts';", 'only-cli-wires'],
  ['functions/process/p.ts', "import '../ingest/h.ts';", 'process-needs-no-cloud'],
  ['local-uploader/u.ts', "import 'p-limit';", 'vendor-p-limit'],
  ['local-cloud/orphan.ts', 'export const orphan = true;', 'no-orphan'],
  ['cli/e.ts', "import 'esbuild';", 'no-development-dependency'],
  ['cli/g.ts', "import './nope.ts';", 'not-resolved'],
  ['cli/leave-to-resident.ts', "import '../local-uploader/u.ts';", 'handing-over-loads-no-package'],
  ['cli/t.ts', "import '../test/support.ts';", 'cli-ships-no-tests'],
  ['cli/allowed.ts', "import '../functions/ingest/h.ts';\nimport '../local-uploader/u.ts';", undefined],
  ['core/encode/allowed.ts', "import '../dicom/x.ts';\nimport '../errors.ts';", undefined],
  ['core/errors.ts', 'export const errors = true;', undefined],
  ['test/support.ts', 'export const support = true;', undefined],
];

interface Violation {
  readonly from: string;
  readonly rule: { readonly name: string };
}

function cruise(cwd: string, outputType: 'err' | 'json'): { readonly status: number | null; readonly stdout: string } {
  const program = join(ROOT, 'node_modules', '.bin', 'depcruise');
  const args = ['--config', '.dependency-cruiser.cjs', '--output-type', outputType, ...FOLDERS];
  return spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

describe('the import rules', () => {
  let tree: TemporaryFolder;

  beforeAll(async () => {
    tree = await temporaryFolder('imports');
    for (const name of ['.dependency-cruiser.cjs', 'package.json', 'tsconfig.json'])
      await copyFile(join(ROOT, name), join(tree.path, name));
    await symlink(join(ROOT, 'node_modules'), join(tree.path, 'node_modules'));
    for (const [file, statement] of BROKEN) {
      await mkdir(dirname(join(tree.path, file)), { recursive: true });
      await writeFile(join(tree.path, file), `${statement}\n`);
    }
  });

  afterAll(() => tree.remove());

  it('fail on each import that they forbid, and on no other', () => {
    const { violations } = (JSON.parse(cruise(tree.path, 'json').stdout) as { summary: { violations: Violation[] } }).summary;
    const found = new Set(violations.map(({ from, rule }) => `${from} ${rule.name}`));
    const forbidden = BROKEN.flatMap(([file, , rule]) => (rule === undefined ? [] : [`${file} ${rule}`]));
    expect([...found].sort()).toEqual(forbidden.sort());
  });

  it('make the linter fail', () => {
    expect(cruise(tree.path, 'err').status).not.toBe(0);
  });
});
