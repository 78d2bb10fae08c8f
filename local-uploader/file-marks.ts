/**
 * Marks for people on files that stay, where they look at files: the Finder's tags and comments, the tags and comments of freedesktop.org
 * that Nautilus and Dolphin show. They are for the eye alone; no decision rests on them.
 *
 * | system | attribute                                 | value                                            |
 * |--------|-------------------------------------------|--------------------------------------------------|
 * | macOS  | `com.apple.metadata:_kMDItemUserTags`     | binary property list of `NAME\nCOLOUR`           |
 * | macOS  | `com.apple.metadata:kMDItemFinderComment` | binary property list of a text                   |
 * | Linux  | `user.xdg.tags`                           | names with commas between them                   |
 * | Linux  | `user.xdg.comment`                        | text                                             |
 *
 * The comment on macOS is what Spotlight and `mdls` find. The one in the Finder's own window lies in the folder's `.DS_Store`, which the
 * Finder alone writes; asking it takes a person who is logged in.
 */
import type { Log } from '../core/logging.ts';
import { buildBinaryPropertyList, parseBinaryPropertyList } from '../core/property-list.ts';
import type { ExtendedAttributes } from './extended-attributes.ts';
import type { FileReport } from './upload-report.ts';

export interface Mark {
  readonly tag: 'uploaded' | 'failed';
  readonly comment: string;
}

/**
 * | outcome of a file that stays           | mark     |
 * |----------------------------------------|----------|
 * | in the bucket, and kept                | uploaded |
 * | damaged, or failed for good            | failed   |
 * | any other, and every file that goes    | none     |
 */
export function markOf({ outcome, after, code, retryable, key }: FileReport): Mark | undefined {
  if (after === 'kept') return { tag: 'uploaded', comment: `${OURS}uploaded${key === undefined ? '' : ` as ${key}`}` };
  if (after !== undefined || retryable === true || (outcome !== 'damaged' && outcome !== 'failed')) return undefined;
  return { tag: 'failed', comment: `${OURS}not uploaded: ${code ?? 'INTERNAL'}` };
}

/** Begins each comment of ours, which one of ours may take the place of; a person's own stays. */
const OURS = 'storestow: ';
const TAGS: readonly string[] = ['uploaded', 'failed'];
/** Of the Finder: green, red. */
const COLOURS = { uploaded: 2, failed: 6 } as const;

interface Attribute {
  readonly name: string;
  /** The attribute with the mark; `undefined` where it is to stay as it is. */
  readonly marked: (present: Uint8Array | undefined, mark: Mark) => Uint8Array | undefined;
}

export function attributesOf(platform: NodeJS.Platform): readonly Attribute[] {
  if (platform === 'darwin') return FINDER;
  return platform === 'linux' ? FREEDESKTOP : [];
}

const FREEDESKTOP: readonly Attribute[] = [
  {
    name: 'user.xdg.tags',
    marked: (present, { tag }) => {
      const others = textOf(present)
        .split(',')
        .filter((name) => name !== '' && !TAGS.includes(name));
      return bytesOf([...others, tag].join(','));
    },
  },
  {
    name: 'user.xdg.comment',
    marked: (present, { comment }) => (isOurs(textOf(present)) ? bytesOf(comment) : undefined),
  },
];

const FINDER: readonly Attribute[] = [
  {
    name: 'com.apple.metadata:_kMDItemUserTags',
    marked: (present, { tag }) => {
      const list = valueOf(present);
      const others = Array.isArray(list) ? list.filter((one) => typeof one === 'string') : [];
      const kept = others.filter((one) => !TAGS.includes(one.replace(/\n\d$/, '')));
      return buildBinaryPropertyList([...kept, `${tag}\n${COLOURS[tag]}`]);
    },
  },
  {
    name: 'com.apple.metadata:kMDItemFinderComment',
    marked: (present, { comment }) => {
      const text = valueOf(present);
      return present === undefined || (typeof text === 'string' && isOurs(text)) ? buildBinaryPropertyList(comment) : undefined;
    },
  },
];

function isOurs(comment: string): boolean {
  return comment === '' || comment.startsWith(OURS);
}

function textOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString();
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text);
}

/** `undefined` for what is no property list. */
function valueOf(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes === undefined ? undefined : parseBinaryPropertyList(bytes);
  } catch {
    return undefined;
  }
}

export class FileMarker {
  readonly #open: () => Promise<ExtendedAttributes | undefined>;
  readonly #platform: NodeJS.Platform;
  readonly #log: Log;
  #attributes: Promise<ExtendedAttributes | undefined> | undefined;
  #marking: Promise<void> = Promise.resolve();
  #told = false;

  /** `open` is called when the first file is to be marked: most uploaders never have one. */
  constructor(open: () => Promise<ExtendedAttributes | undefined>, log: Log, platform: NodeJS.Platform = process.platform) {
    this.#open = open;
    this.#platform = platform;
    this.#log = log;
  }

  /** Where it cannot, that is told once, and nothing else suffers. */
  mark(report: FileReport): void {
    const mark = markOf(report);
    if (mark !== undefined) this.#marking = this.#marking.then(() => this.#mark(report.path, mark));
  }

  /** Resolves when all are marked. */
  async settled(): Promise<void> {
    await this.#marking;
  }

  async #mark(path: string, mark: Mark): Promise<void> {
    const attributes = await (this.#attributes ??= this.#open());
    if (attributes === undefined) {
      this.#tell('files are not marked: this system has no extended attributes');
      return;
    }
    try {
      for (const { name, marked } of attributesOf(this.#platform)) this.#set(attributes, path, name, marked, mark);
    } catch (err) {
      this.#tell('a file could not be marked; does its file system keep extended attributes?', { file: path, err });
    }
  }

  #set(attributes: ExtendedAttributes, path: string, name: string, marked: Attribute['marked'], mark: Mark): void {
    const present = attributes.get(path, name);
    const value = marked(present, mark);
    if (value === undefined || (present !== undefined && Buffer.compare(present, value) === 0)) return;
    attributes.set(path, name, value);
  }

  #tell(message: string, about: object = {}): void {
    if (this.#told) return;
    this.#told = true;
    this.#log.warn(about, `${message} (upload.marks: false leaves them out)`);
  }
}
