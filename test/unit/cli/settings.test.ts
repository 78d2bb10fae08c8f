import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSettings, runningConfigPath } from '../../../cli/settings.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

describe('loadSettings', () => {
  let folder: TemporaryFolder;
  const given = process.env['STORESTOW_CONFIG'];

  beforeEach(async () => {
    folder = await temporaryFolder('settings');
    setEnvironment(undefined);
  });
  afterEach(async () => {
    setEnvironment(given);
    await folder.remove();
  });

  const data = (): string => join(folder.path, 'data');

  function setEnvironment(value: string | undefined): void {
    if (value === undefined) delete process.env['STORESTOW_CONFIG'];
    else process.env['STORESTOW_CONFIG'] = value;
  }

  /** A configuration that is told by its site. */
  async function write(path: string, site: string): Promise<string> {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify({ site, bucket: { kind: 'folder', path: `/${site}` } }));
    return path;
  }

  // Each row: which sources there are → the one that counts.
  it.each([
    { option: true, environment: 'file', running: true, counts: 'option' },
    { option: true, environment: 'absent', running: false, counts: 'option' },
    { option: false, environment: 'file', running: true, counts: 'environment' },
    { option: false, environment: 'inline', running: true, counts: 'environment' },
    { option: false, environment: 'empty', running: true, counts: 'running' },
    { option: false, environment: 'absent', running: true, counts: 'running' },
    { option: false, environment: 'absent', running: false, counts: 'default' },
  ])('--config $option, STORESTOW_CONFIG $environment, running.json $running: $counts', async (row) => {
    const path = await write(join(folder.path, 'option.json'), 'option');
    const environment = await write(join(folder.path, 'environment.json'), 'environment');
    if (row.running) await write(runningConfigPath(data()), 'running');
    setEnvironment(
      { file: environment, inline: '{"site":"environment","bucket":{"kind":"folder","path":"/environment"}}', empty: '' }[
        row.environment
      ],
    );
    const settings = await loadSettings({ data: data(), ...(row.option ? { config: path } : {}) });
    expect(settings.config.site).toBe(row.counts);
    expect(settings.bucket).toEqual({
      kind: 'folder',
      path: row.counts === 'default' ? join(data(), 'bucket') : `/${row.counts}`,
    });
    expect(settings.data).toBe(data());
  });

  it('lets --bucket go over the configuration', async () => {
    await write(runningConfigPath(data()), 'running');
    const named = await loadSettings({ data: data(), bucket: 's3://images' });
    expect(named.bucket).toMatchObject({ kind: 's3', bucket: 'images' });
    expect(named.config.site).toBe('running');
    const embedded = await loadSettings({ data: data(), bucket: 'folder' });
    expect(embedded.bucket).toEqual({ kind: 'folder', path: join(data(), 'bucket') });
  });

  it('makes the data folder absolute', async () => {
    const settings = await loadSettings({ data: 'no-such-data-folder' });
    expect(settings.data).toBe(resolve('no-such-data-folder'));
    expect(settings.bucket).toEqual({ kind: 'folder', path: resolve('no-such-data-folder', 'bucket') });
  });

  it.each([
    ['a MinIO that only up starts', { bucket: 'minio' }, 'USAGE'],
    ['a configuration that is not there', { config: '/absent/config.json' }, 'CONFIG_INVALID'],
  ])('refuses %s', async (_, options, code) => {
    await expect(loadSettings({ data: data(), ...options })).rejects.toMatchObject({ code });
  });

  it('does not pass over a running.json that cannot be read as one', async () => {
    await mkdir(data());
    await writeFile(runningConfigPath(data()), '{"site":');
    await expect(loadSettings({ data: data() })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
