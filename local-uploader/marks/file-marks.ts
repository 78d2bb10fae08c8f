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
import type { Log } from '../../core/logging.ts';
import type { ExtendedAttributes } from './extended-attributes.ts';
import { isOurComment, isOurTag, markOf, type Attribute, type Mark } from './mark.ts';
import type { FileReport } from '../upload/upload-report.ts';

/** The Finder's need a reader of property lists, which nobody else loads. */
async function attributesOf(platform: NodeJS.Platform): Promise<readonly Attribute[]> {
  if (platform === 'darwin') return (await import('./finder-marks.ts')).FINDER;
  return platform === 'linux' ? FREEDESKTOP : [];
}

const FREEDESKTOP: readonly Attribute[] = [
  {
    name: 'user.xdg.tags',
    marked: (present, { tag }) => {
      const others = textOf(present)
        .split(',')
        .filter((name) => name !== '' && !isOurTag(name));
      return bytesOf([...others, tag].join(','));
    },
  },
  {
    name: 'user.xdg.comment',
    marked: (present, { comment }) => (isOurComment(textOf(present)) ? bytesOf(comment) : undefined),
  },
];

function textOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString();
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text);
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
      for (const { name, marked } of await attributesOf(this.#platform)) this.#set(attributes, path, name, marked, mark);
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
