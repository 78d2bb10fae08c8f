import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_RULES } from '../../../core/coerce/default-rules.ts';
import { parseConfig } from '../../../core/config/load.ts';
import { createLog } from '../../../core/logging.ts';
import { createMemoryStore } from '../../../core/store/memory-store.ts';
import { instanceSource } from '../../../functions/ingest/instance-source.ts';
import { openPorts } from '../../../functions/ingest/open-ports.ts';
import { openRuleSet } from '../../../functions/ingest/open-rule-set.ts';
import { temporaryFolder, type TemporaryFolder } from '../../support/temporary-folder.ts';

const MAPPING = `<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><key>CT1</key><string>North Clinic</string></dict></plist>`;
const RULES = JSON.stringify([{ action: 'remove', target: 'StationName' }]);
const log = createLog({ level: 'silent' });

let folder: TemporaryFolder;
beforeEach(async () => {
  folder = await temporaryFolder('ports');
});
afterEach(async () => folder.remove());

describe('openRuleSet', () => {
  it('takes rules and mapping from files, after the default rules', async () => {
    const [rules, institutions] = [join(folder.path, 'rules.json'), join(folder.path, 'mapping.plist')];
    await writeFile(rules, RULES);
    await writeFile(institutions, MAPPING);
    const ruleSet = await openRuleSet(parseConfig({ coerce: { rules, institutions } }, 'test').coerce);
    expect(ruleSet.rules).toEqual([...DEFAULT_RULES, { action: 'remove', target: 'StationName' }]);
    expect(ruleSet.institutions?.get('CT1')).toBe('North Clinic');
    expect(ruleSet).toMatchObject({ unknownSource: 'quarantine', originalAttributes: true });
  });

  it('takes them from the bucket, without the default rules where these are off', async () => {
    const store = createMemoryStore();
    await store.put('config/rules', new TextEncoder().encode(RULES));
    const { coerce } = parseConfig({ coerce: { rules: 'bucket:config/rules', defaultRules: false } }, 'test');
    expect(await openRuleSet(coerce, store)).toEqual({
      rules: [{ action: 'remove', target: 'StationName' }],
      unknownSource: 'quarantine',
      originalAttributes: true,
    });
  });

  it.each([
    ['a file that is not there', { rules: '/absent/rules.json' }, true, 'CONFIG_INVALID'],
    ['an object that is not there', { institutions: 'bucket:absent' }, true, 'CONFIG_INVALID'],
    ['an object where there is no bucket', { institutions: 'bucket:absent' }, false, 'CONFIG_INVALID'],
  ])('refuses %s', async (_name, coerce, withBucket, code) => {
    const { coerce: config } = parseConfig({ coerce }, 'test');
    await expect(openRuleSet(config, withBucket ? createMemoryStore() : undefined)).rejects.toMatchObject({ code });
  });
});

describe('openPorts', () => {
  it('needs a bucket and an archive', async () => {
    const archive = { url: 'http://127.0.0.1:1/dicom-web/studies' };
    const bucket = { kind: 'folder', path: folder.path };
    await expect(openPorts(parseConfig({ archive }, 'test'), log)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(openPorts(parseConfig({ bucket }, 'test'), log)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('closes what it had opened where the rules cannot be read', async () => {
    const store = createMemoryStore();
    const close = vi.spyOn(store, 'close');
    const config = parseConfig(
      { archive: { url: 'http://127.0.0.1:1/dicom-web/studies' }, coerce: { rules: 'bucket:absent' } },
      'test',
    );
    await expect(openPorts(config, log, store)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(close).toHaveBeenCalledOnce();
  });

  it('is opened anew where the rules are others, and not before', async () => {
    const rules = join(folder.path, 'rules.json');
    await writeFile(rules, RULES);
    const config = parseConfig(
      {
        bucket: { kind: 'folder', path: folder.path },
        archive: { url: 'http://127.0.0.1:1/dicom-web/studies' },
        coerce: { rules },
      },
      'test',
    );
    const opened = await openPorts(config, log);
    expect(await opened.renewed()).toBeUndefined();
    await writeFile(rules, '[]');
    const renewed = await opened.renewed();
    expect(renewed?.ports.ruleSet.digest).toMatch(/^[0-9a-f]{12}$/);
    expect(renewed?.ports.ruleSet.digest).not.toBe(opened.ports.ruleSet.digest);
    await writeFile(rules, '{');
    await expect(opened.renewed()).rejects.toMatchObject({ code: 'RULES_INVALID' });
    await opened.close();
    await renewed?.close();
  });

  it('gives sources with one address one archive', async () => {
    const config = parseConfig(
      { bucket: { kind: 'folder', path: folder.path }, archive: { url: 'http://127.0.0.1:1/aets/%@/rs/studies' } },
      'test',
    );
    const opened = await openPorts(config, log);
    const { ports } = opened;
    const [one, same, other] = [
      { site: 'north', callingAET: 'CT1', institution: 'North Clinic' },
      { site: 'south', callingAET: 'CT1', institution: undefined },
      { site: 'north', callingAET: 'MR1', institution: 'North Clinic' },
    ].map((source) => ports.archiveFor(source));
    expect(one).toBe(same);
    expect(one).not.toBe(other);
    expect(ports.ruleSet.digest).toMatch(/^[0-9a-f]{12}$/);
    await opened.close();
  });
});

describe('instanceSource', () => {
  const key = 'incoming/north/CT1@10.0.0.7/1.2/1.3/1.4~0123456789ab.dcm';
  const lastModified = new Date('2026-11-24T10:00:00Z');
  const head = { size: 1, etag: 'e', lastModified };
  it.each([
    [
      'the metadata, percent-decoded',
      key,
      { site: 'west', 'calling-aet': 'CT%202', 'calling-ip': '10.0.0.8', 'received-at': '2026-11-24T09:00:00.000Z' },
      { site: 'west', callingAET: 'CT 2', callingIP: '10.0.0.8', receivedAt: new Date('2026-11-24T09:00:00Z') },
    ],
    ['else the key', key, {}, { site: 'north', callingAET: 'CT1', callingIP: '10.0.0.7', receivedAt: lastModified }],
    ['else the site’s name', 'incoming/x', {}, { site: 'default', callingAET: '', callingIP: '', receivedAt: lastModified }],
    [
      'what is out of form stays, or is passed over',
      key,
      { 'calling-aet': '50%', 'received-at': 'yesterday' },
      { site: 'north', callingAET: '50%', callingIP: '10.0.0.7', receivedAt: lastModified },
    ],
  ])('%s', (_name, of, metadata, source) => {
    expect(instanceSource({ ...head, key: of, metadata }, 'default')).toEqual(source);
  });
});
