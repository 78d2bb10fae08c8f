/** Spools whose content is known, and what must be true of it after a fault. */
import { hash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { expect } from 'vitest';
import { readManifests } from '../../core/audit/manifest.ts';
import { objectKey } from '../../core/store/object-key.ts';
import type { ObjectStore } from '../../core/store/object-store.ts';
import { buildImage, imagePixels, type BuiltImage } from '../support/build-dicom.ts';

export interface LaidInstance {
  /** Below the spool. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly key: string;
  readonly studyInstanceUID: string;
}

export interface LaidSpool {
  readonly site: string;
  readonly folder: string;
  readonly instances: readonly LaidInstance[];
}

export interface Laying {
  readonly site: string;
  /** Below the folder. An instance below `received/ADDRESS/` comes from that address. */
  readonly paths: readonly string[];
  /** Of the image: tells apart what is laid in one bucket, and how large it is. */
  readonly image?: Omit<BuiltImage, 'sopUID' | 'studyUID'>;
}

/** The study is named by the site, so that each spool has its own. */
export async function layInstances(folder: string, { site, paths, image = {} }: Laying): Promise<LaidSpool> {
  const studyInstanceUID = `1.2.826.0.1.3680043.10.6.${Number.parseInt(hash('sha256', site, 'hex').slice(0, 8), 16)}`;
  const seriesInstanceUID = `${studyInstanceUID}.1`;
  const instances = paths.map((path, index) => {
    const sopInstanceUID = `${seriesInstanceUID}.${index + 1}`;
    const pixels = imagePixels({ ...image }, index + 1);
    const bytes = buildImage({
      ...image,
      studyUID: studyInstanceUID,
      seriesUID: seriesInstanceUID,
      sopUID: sopInstanceUID,
      pixels,
    });
    const callingIP = /^received\/([^/]+)\//.exec(path)?.[1] ?? '';
    const parts = { site, callingAET: '', callingIP, studyInstanceUID, seriesInstanceUID, sopInstanceUID };
    return { path, bytes, studyInstanceUID, key: objectKey({ ...parts, digest: hash('sha256', bytes, 'hex') }) };
  });
  for (const { path, bytes } of instances) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  return { site, folder, instances };
}

/** At any moment: each instance lies whole in the spool, or the bucket gives it back as it was. */
export async function expectNothingLost({ folder, instances }: LaidSpool, store: ObjectStore): Promise<void> {
  const spooled = new Set((await filesBelow(folder)).map(({ bytes }) => hash('sha256', bytes, 'hex')));
  for (const { path, key, bytes } of instances) {
    if (spooled.has(hash('sha256', bytes, 'hex'))) continue;
    expect((await store.head(key)) !== undefined, `${path} is neither in the spool nor in the bucket`).toBe(true);
    expect(Buffer.compare(await (await store.get(key)).bytes(), bytes), `${path} in the bucket`).toBe(0);
  }
}

/** Each instance is in the bucket once, as it was, and manifests name it. */
export async function expectAllArrived({ site, instances }: LaidSpool, store: ObjectStore): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of store.list({ prefix: `incoming/${site}/` })) keys.push(key);
  expect(keys.sort()).toEqual(instances.map(({ key }) => key).sort());
  for (const { key, bytes } of instances)
    expect(Buffer.compare(await (await store.get(key)).bytes(), bytes), `${key} is as it was`).toBe(0);
  const named = new Set<string>();
  for (const study of new Set(instances.map(({ studyInstanceUID }) => studyInstanceUID)))
    for await (const manifest of readManifests(store, study, site)) {
      if (manifest instanceof Error) throw manifest;
      for (const { key } of manifest.instances) named.add(key);
    }
  expect([...named].sort()).toEqual(keys);
}

/** These files lie there as they were, and no other: no lock, no word, nothing that a run left half done. */
export async function expectFiles(folder: string, files: readonly FoundFile[]): Promise<void> {
  expectSame(await filesBelow(folder), files);
}

/** The same in a folder that files are moved to, whatever the sub-folders there: each has a name of its own. */
export async function expectMoved(folder: string, instances: readonly LaidInstance[]): Promise<void> {
  const named = <File extends FoundFile>(file: File): File => ({ ...file, path: basename(file.path) });
  expectSame((await filesBelow(folder)).map(named), instances.map(named));
}

/** Some of them lie there, whatever the sub-folders: whole, and nothing else. */
export async function expectSomeOf(folder: string, instances: readonly LaidInstance[]): Promise<void> {
  for (const { path, bytes } of await filesBelow(folder)) {
    const instance = instances.find((one) => basename(one.path) === basename(path));
    expect(instance === undefined ? path : Buffer.compare(bytes, instance.bytes), `${path} is one of them, and whole`).toBe(0);
  }
}

/** One file at least lies there, and each has these bytes: a rename of which the disk has one half leaves two names. */
export async function expectCopiesOf(bytes: Uint8Array, folder: string): Promise<void> {
  const files = await filesBelow(folder);
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(Buffer.compare(file.bytes, bytes), file.path).toBe(0);
}

function expectSame(files: readonly FoundFile[], expected: readonly FoundFile[]): void {
  expect(files.map(({ path }) => path).sort()).toEqual(expected.map(({ path }) => path).sort());
  for (const { path, bytes } of expected) {
    const file = files.find((one) => one.path === path);
    expect(Buffer.compare(file?.bytes ?? Buffer.alloc(0), bytes), `${path} is as it was`).toBe(0);
  }
}

interface FoundFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

async function filesBelow(folder: string): Promise<FoundFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(paths.map(async (path) => ({ path: path.slice(folder.length + 1), bytes: await readFile(path) })));
}
