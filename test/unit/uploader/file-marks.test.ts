import { describe, expect, it } from 'vitest';
import { createLog, type Log } from '../../../core/logging.ts';
import { buildBinaryPropertyList, parseBinaryPropertyList } from '../../../core/property-list.ts';
import type { ExtendedAttributes } from '../../../local-uploader/marks/extended-attributes.ts';
import { FileMarker } from '../../../local-uploader/marks/file-marks.ts';
import { markOf } from '../../../local-uploader/marks/mark.ts';
import type { FileReport } from '../../../local-uploader/upload/upload-report.ts';

const kept: FileReport = { path: '/a', outcome: 'uploaded', after: 'kept', key: 'incoming/x' };
const damaged: FileReport = { path: '/a', outcome: 'damaged', code: 'TRUNCATED', retryable: false };

describe('markOf', () => {
  it.each<[string, FileReport, ReturnType<typeof markOf>]>([
    ['kept', kept, { tag: 'uploaded', comment: 'storestow: uploaded as incoming/x' }],
    ['kept, there before', { ...kept, outcome: 'present' }, { tag: 'uploaded', comment: 'storestow: uploaded as incoming/x' }],
    ['damaged', damaged, { tag: 'failed', comment: 'storestow: not uploaded: TRUNCATED' }],
    [
      'refused',
      { ...damaged, outcome: 'failed', code: 'CONFLICT' },
      { tag: 'failed', comment: 'storestow: not uploaded: CONFLICT' },
    ],
    ['tried again', { ...damaged, outcome: 'failed', code: 'STORE_UNAVAILABLE', retryable: true }, undefined],
    ['removed', { ...kept, after: 'removed' }, undefined],
    ['foreign', { path: '/a', outcome: 'foreign', code: 'NOT_PART10' }, undefined],
    ['waiting', { path: '/a', outcome: 'waiting' }, undefined],
  ])('%s', (_, report, mark) => {
    expect(markOf(report)).toEqual(mark);
  });
});

/** Of one file. */
class Attributes implements ExtendedAttributes {
  readonly values = new Map<string, Uint8Array>();
  writes = 0;

  get(_path: string, name: string): Uint8Array | undefined {
    return this.values.get(name);
  }

  set(_path: string, name: string, value: Uint8Array): void {
    this.writes += 1;
    this.values.set(name, value);
  }

  text(name: string): string {
    return Buffer.from(this.values.get(name) ?? []).toString();
  }

  value(name: string): unknown {
    return parseBinaryPropertyList(this.values.get(name) ?? new Uint8Array());
  }
}

const silent = createLog({ level: 'silent' });

function markerOf(attributes: ExtendedAttributes | undefined, platform: NodeJS.Platform, log: Log = silent): FileMarker {
  return new FileMarker(async () => attributes, log, platform);
}

async function markAll(marker: FileMarker, ...reports: readonly FileReport[]): Promise<void> {
  for (const report of reports) marker.mark(report);
  await marker.settled();
}

const TAGS = 'com.apple.metadata:_kMDItemUserTags';
const COMMENT = 'com.apple.metadata:kMDItemFinderComment';

describe('on Linux', () => {
  it("a tag of ours takes the place of ours, and a person's own stay", async () => {
    const attributes = new Attributes();
    attributes.values.set('user.xdg.tags', Buffer.from('teaching,failed,to read'));
    const marker = markerOf(attributes, 'linux');
    await markAll(marker, kept);
    expect(attributes.text('user.xdg.tags')).toBe('teaching,to read,uploaded');
    expect(attributes.text('user.xdg.comment')).toBe('storestow: uploaded as incoming/x');
    await markAll(marker, damaged);
    expect(attributes.text('user.xdg.tags')).toBe('teaching,to read,failed');
    expect(attributes.text('user.xdg.comment')).toBe('storestow: not uploaded: TRUNCATED');
  });

  it("a person's comment stays, and what is marked already is not written again", async () => {
    const attributes = new Attributes();
    attributes.values.set('user.xdg.comment', Buffer.from('ask Dr. M.'));
    const marker = markerOf(attributes, 'linux');
    await markAll(marker, kept);
    await markAll(marker, kept);
    expect(attributes.text('user.xdg.comment')).toBe('ask Dr. M.');
    expect(attributes.writes).toBe(1);
  });
});

describe('on macOS', () => {
  it('are binary property lists: tags with their colour, as the Finder writes them, and a comment', async () => {
    const attributes = new Attributes();
    const marker = markerOf(attributes, 'darwin');
    await markAll(marker, kept);
    expect(attributes.text(TAGS).slice(0, 8)).toBe('bplist00');
    expect(attributes.value(TAGS)).toEqual(['uploaded\n2']);
    expect(attributes.value(COMMENT)).toBe('storestow: uploaded as incoming/x');
    await markAll(marker, damaged);
    expect(attributes.value(TAGS)).toEqual(['failed\n6']);
  });

  it('the bytes of a tag are those that the Finder writes for Red', () => {
    expect(Buffer.from(buildBinaryPropertyList(['Red\n6'])).toString('hex')).toBe(
      '62706c6973743030a101555265640a36080a0000000000000101000000000000000200000000000000000000000000000010',
    );
  });

  it("a person's tags and comment stay; what is no property list does not", async () => {
    const attributes = new Attributes();
    attributes.values.set(TAGS, buildBinaryPropertyList(['Red\n6', 'uploaded\n2', 'teaching']));
    attributes.values.set(COMMENT, buildBinaryPropertyList('ask Dr. M.'));
    await markAll(markerOf(attributes, 'darwin'), damaged);
    expect(attributes.value(TAGS)).toEqual(['Red\n6', 'teaching', 'failed\n6']);
    expect(attributes.value(COMMENT)).toBe('ask Dr. M.');
    attributes.values.set(TAGS, Buffer.from('bplist00 cut'));
    await markAll(markerOf(attributes, 'darwin'), kept);
    expect(attributes.value(TAGS)).toEqual(['uploaded\n2']);
  });
});

describe('where files cannot be marked', () => {
  const telling = (): { readonly log: Log; readonly told: string[] } => {
    const told: string[] = [];
    const log = createLog({ level: 'silent' });
    log.warn = ((_: object, message: string) => void told.push(message)) as Log['warn'];
    return { log, told };
  };
  const refusing: ExtendedAttributes = {
    get: () => undefined,
    set: () => {
      throw new Error('no');
    },
  };

  it.each([
    ['no library', undefined],
    ['no such file system', refusing],
  ])('%s: told once', async (_, attributes) => {
    const { log, told } = telling();
    const marker = markerOf(attributes, 'linux', log);
    await markAll(marker, kept, kept, kept);
    expect(told).toHaveLength(1);
  });

  it('another system has none, and nothing is told', async () => {
    const { log, told } = telling();
    await markAll(markerOf(refusing, 'freebsd', log), kept);
    expect(told).toEqual([]);
  });
});
