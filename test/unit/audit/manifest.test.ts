import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { manifestObject, parseManifest, readManifests, type Manifest } from '../../../core/audit/manifest.ts';
import { StorestowError } from '../../../core/errors.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { objectKey } from '../../../core/store/object-key.ts';
import type { ListOptions, ObjectStore } from '../../../core/store/object-store.ts';

const SOURCE = { site: 'north', callingAET: 'CT 1', callingIP: '10.0.0.7', studyInstanceUID: '1.2.3' };

function instance(number: number, receivedAt = '2026-11-24T10:00:00.000Z'): Manifest['instances'][number] {
  const sha256 = hash('sha256', String(number));
  const uids = { seriesInstanceUID: '1.2.3.1', sopInstanceUID: `1.2.3.1.${number}` };
  return { ...uids, key: objectKey({ ...SOURCE, ...uids, digest: sha256.slice(0, 12) }), size: 100, sha256, receivedAt };
}

const MANIFEST: Manifest = {
  version: 1,
  ...SOURCE,
  instances: [instance(2, '2026-11-24T09:59:59.500Z'), instance(1)],
};

describe('manifestObject', () => {
  it('has a key by study and time, and reads as it was written', () => {
    const { key, body, sha256 } = manifestObject(MANIFEST);
    expect(key).toBe(`manifests/north/1.2.3/20261124T095959.500Z-${sha256.slice(0, 12)}.json`);
    expect(parseManifest(body, key)).toEqual({ ...MANIFEST, instances: [instance(1), instance(2, '2026-11-24T09:59:59.500Z')] });
  });

  it('is the same for the same instances in another order, and another one for others', () => {
    const { key } = manifestObject(MANIFEST);
    expect(manifestObject({ ...MANIFEST, instances: MANIFEST.instances.toReversed() }).key).toBe(key);
    expect(manifestObject({ ...MANIFEST, instances: [instance(1)] }).key).not.toBe(key);
  });
});

describe('parseManifest refuses', () => {
  const changed = (change: object): Manifest => ({ ...MANIFEST, ...change });
  const withInstance = (change: object): Manifest => changed({ instances: [{ ...instance(1), ...change }] });
  const table: [string, Manifest][] = [
    ['another version', changed({ version: 2 })],
    ['more than belongs there', changed({ patientName: 'Doe^Jane' })],
    ['no instances', changed({ instances: [] })],
    ['more than one manifest has', changed({ instances: Array.from({ length: 1001 }, (_, index) => instance(index)) })],
    ['a digest that is none', withInstance({ sha256: 'x' })],
    ['a negative size', withInstance({ size: -1 })],
    ['a time that is none', withInstance({ receivedAt: 'yesterday' })],
    ['a key elsewhere', withInstance({ key: '../../etc/passwd' })],
    ['the key of another instance', withInstance({ key: instance(2).key })],
    ['another instance than its key', withInstance({ sopInstanceUID: '9.9' })],
    ['another series than its keys', withInstance({ seriesInstanceUID: '9.9' })],
    ['another study than its keys', changed({ studyInstanceUID: '9.9' })],
    ['another sender than its keys', changed({ callingAET: 'MR1' })],
  ];
  it.each(table)('%s', (_name, manifest) => {
    let key = 'manifests/north/1.2.3/20261124T100000.000Z-000000000000.json';
    const body = new TextEncoder().encode(JSON.stringify(manifest));
    try {
      ({ key } = manifestObject(manifest));
    } catch {
      // No time to make a key of.
    }
    key = key.replace(/-[0-9a-f]{12}\.json$/, `-${hash('sha256', body).slice(0, 12)}.json`);
    expect(() => parseManifest(body, key)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID', object: key }) as Error);
  });

  it.each([
    ['no JSON', 'not JSON'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['a number', '5'],
  ])('%s', (_name, body) => {
    expect(() => parseManifest(Buffer.from(body), 'manifests/a/b/c.json')).toThrow(
      expect.objectContaining({ code: 'MANIFEST_INVALID' }) as Error,
    );
  });

  it('the key of another manifest, or other bytes under its key', () => {
    const { key, body } = manifestObject(MANIFEST);
    const other = manifestObject({ ...MANIFEST, instances: [instance(3)] });
    expect(() => parseManifest(other.body, key)).toThrow(expect.objectContaining({ code: 'MANIFEST_INVALID' }) as Error);
    expect(() => parseManifest(body, key.replace('/1.2.3/', '/9.9/'))).toThrow(
      expect.objectContaining({ code: 'MANIFEST_INVALID' }) as Error,
    );
  });
});

describe('readManifests', () => {
  it('finds those of a study of all sites, or of one, and gives what is none as its error', async () => {
    const store = createMemoryStore();
    const put = async (manifest: Manifest): Promise<void> => {
      const { key, body } = manifestObject(manifest);
      await store.put(key, body);
    };
    const of = (site: string, studyInstanceUID: string): Manifest => {
      const source = { ...SOURCE, site, studyInstanceUID };
      const one = instance(1);
      const key = objectKey({ ...source, ...one, studyInstanceUID, digest: one.sha256.slice(0, 12) });
      return { version: 1, ...source, instances: [{ ...one, key }] };
    };
    for (const site of ['a', 'a-b', 'ä/b', 'z']) for (const study of ['1.2.3', '1.2.30', '1.2']) await put(of(site, study));
    await store.put('manifests/a/1.2.3/x.json', new TextEncoder().encode('{}'));
    await store.put('manifests/stray', new Uint8Array(1));
    await store.put('manifests/z/1.2.3/huge.json', new Uint8Array(5_000_000));
    const got: string[] = [];
    const watched = Object.assign(Object.create(store) as ObjectStore, {
      list: (options: ListOptions) => store.list(options),
      get: (key: string) => {
        got.push(key);
        return store.get(key);
      },
    });
    const read = async (site?: string): Promise<string[]> =>
      (await Array.fromAsync(readManifests(watched, '1.2.3', site))).map((found) =>
        found instanceof StorestowError ? found.code : `${found.site} ${found.studyInstanceUID}`,
      );
    expect((await read()).toSorted()).toEqual(
      ['MANIFEST_INVALID', 'MANIFEST_INVALID', 'a 1.2.3', 'a-b 1.2.3', 'z 1.2.3', 'ä/b 1.2.3'].toSorted(),
    );
    expect(await read('ä/b')).toEqual(['ä/b 1.2.3']);
    expect(got).toContain('manifests/a/1.2.3/x.json');
    expect(got).not.toContain('manifests/z/1.2.3/huge.json');
  });
});
