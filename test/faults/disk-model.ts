/**
 * What a disk would hold after a loss of power, rebuilt from system calls. POSIX promises no more than this: a file's bytes are on the
 * disk when `fsync` of the file has returned, a name when `fsync` of its folder has. All else may be there or not, in any combination.
 */
import { link, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallArgument, CallEvent, SystemCall } from './system-calls.ts';

interface DataChange {
  readonly at: number;
  /** Absent: the file is cut, or grows, to `at`. */
  readonly bytes?: Buffer;
}

/**
 * In one step. `with`: what is one step with it, in another folder: a file system that keeps a journal does both or neither, with all that
 * was done in them before.
 */
interface NameChange {
  readonly with?: Rename;
  readonly remove?: string;
  readonly set?: readonly [name: string, node: Node];
}

/** `applied` of the changes are on the disk; the last ones of the list are not yet. */
interface FileNode {
  readonly kind: 'file';
  durable: Buffer;
  pending: DataChange[];
  applied: number;
}

interface Rename {
  readonly from: FolderNode;
  readonly to: FolderNode;
}

interface FolderNode {
  readonly kind: 'folder';
  durable: Map<string, Node>;
  /** As processes see it. */
  readonly current: Map<string, Node>;
  pending: NameChange[];
  applied: number;
}

type Node = FileNode | FolderNode;

interface OpenFile {
  readonly node: Node;
  position: number;
  readonly appends: boolean;
}

/** Whether a change that nothing has synced survives. */
export type Survives = () => boolean;

export class DiskModel {
  readonly #roots = new Map<string, FolderNode>();
  readonly #open = new Map<number, OpenFile>();
  /** Of a sync under way: how much was there when it began. */
  readonly #syncs = new Map<SystemCall, { readonly node: Node; readonly upTo: number }>();

  /** What lies there now is on the disk. */
  async load(root: string): Promise<void> {
    this.#roots.set(root, await loadFolder(root));
  }

  /** Whether it has put something on the disk. */
  apply({ when, call }: CallEvent): boolean {
    const isSync = call.name === 'fsync' || call.name === 'fdatasync';
    if (when === 'begins') {
      const node = isSync ? this.#open.get(number(call.args[0]))?.node : undefined;
      if (node !== undefined) this.#syncs.set(call, { node, upTo: node.applied + node.pending.length });
      return false;
    }
    if (call.result < 0) return false;
    if (isSync) return this.#synced(call);
    this.#change(call);
    return false;
  }

  #synced(call: SystemCall): boolean {
    const sync = this.#syncs.get(call);
    this.#syncs.delete(call);
    if (sync === undefined) return false;
    const { node, upTo } = sync;
    const count = Math.max(0, upTo - node.applied);
    if (node.kind === 'folder') keepNames(node, count);
    else {
      node.durable = withData(node.durable, node.pending.splice(0, count));
      node.applied += count;
    }
    return count > 0;
  }

  #change({ name, args, result }: SystemCall): void {
    switch (name) {
      case 'openat':
        return this.#opened(text(args[1]), String(args[2]), result);
      case 'open':
        return this.#opened(text(args[0]), String(args[1]), result);
      case 'close':
        return void this.#open.delete(number(args[0]));
      case 'lseek': {
        const file = this.#open.get(number(args[0]));
        if (file !== undefined) file.position = result;
        return;
      }
      case 'write':
      case 'writev':
        return this.#written(args, result);
      case 'pwrite64':
      case 'pwritev':
      case 'pwritev2':
        return this.#writtenAt(number(args[0]), args[1], number(args[3]));
      case 'copy_file_range':
        return this.#copied(number(args[0]), args[1], number(args[2]), result);
      case 'sendfile':
        return this.#copied(number(args[1]), args[2], number(args[0]), result);
      case 'ftruncate':
        return this.#pend(this.#open.get(number(args[0]))?.node, { at: number(args[1]) });
      case 'rename':
        return this.#renamed(text(args[0]), text(args[1]));
      case 'link':
        return this.#linked(text(args[0]), text(args[1]));
      case 'unlink':
      case 'rmdir':
        return this.#removed(text(args[0]));
      case 'mkdir':
        return this.#made(text(args[0]), newFolder());
      case 'dup':
      case 'fallocate':
      case 'truncate':
      case 'dup2':
      case 'dup3':
      case 'creat':
      case 'renameat':
      case 'renameat2':
      case 'linkat':
      case 'symlink':
      case 'symlinkat':
      case 'unlinkat':
      case 'mkdirat':
      case 'sync_file_range':
      case 'sync':
      case 'syncfs':
        return this.#unknown(name, args);
    }
  }

  /** What is not modelled must not be done to what is. */
  #unknown(name: string, args: readonly CallArgument[]): void {
    const concerned = args.some((arg) =>
      typeof arg === 'string' ? this.#open.has(Number(arg)) : this.#parentOf(arg.toString()) !== undefined,
    );
    if (concerned) throw new Error(`the model of the disk knows no ${name}`);
  }

  #opened(path: string, flags: string, descriptor: number): void {
    this.#open.delete(descriptor);
    let node = this.#find(path);
    if (node === undefined && flags.includes('O_CREAT')) this.#made(path, (node = newFile()));
    else if (node?.kind === 'file' && flags.includes('O_TRUNC') && !flags.includes('O_EXCL')) this.#pend(node, { at: 0 });
    if (node !== undefined) this.#open.set(descriptor, { node, position: 0, appends: flags.includes('O_APPEND') });
  }

  #written([descriptor, bytes]: readonly CallArgument[], length: number): void {
    const file = this.#open.get(number(descriptor));
    if (file === undefined || file.node.kind === 'folder') return;
    if (file.appends) file.position = contentOf(file.node).length;
    this.#writtenAt(number(descriptor), Buffer.isBuffer(bytes) ? bytes.subarray(0, length) : bytes, file.position);
    file.position += length;
  }

  #writtenAt(descriptor: number, bytes: CallArgument | undefined, at: number): void {
    if (Buffer.isBuffer(bytes)) this.#pend(this.#open.get(descriptor)?.node, { at, bytes });
  }

  #copied(from: number, offset: CallArgument | undefined, to: number, length: number): void {
    const source = this.#open.get(from);
    const target = this.#open.get(to);
    if (target === undefined) return;
    if (source?.node.kind !== 'file') throw new Error('copied from a file outside of the model');
    const start = /^\[(\d+)/.exec(String(offset))?.[1];
    const begin = start === undefined ? source.position : Number(start);
    this.#writtenAt(to, contentOf(source.node).subarray(begin, begin + length), target.position);
    target.position += length;
    if (start === undefined) source.position += length;
  }

  #pend(node: Node | undefined, change: DataChange): void {
    if (node?.kind === 'file') node.pending.push(change);
  }

  #made(path: string, node: Node): void {
    const parent = this.#parentOf(path);
    if (parent !== undefined) changeNames(parent.folder, { set: [parent.name, node] });
  }

  #linked(from: string, to: string): void {
    const node = this.#find(from);
    if (node !== undefined) this.#made(to, node);
  }

  #removed(path: string): void {
    const parent = this.#parentOf(path);
    if (parent !== undefined) changeNames(parent.folder, { remove: parent.name });
  }

  #renamed(from: string, to: string): void {
    const source = this.#parentOf(from);
    const target = this.#parentOf(to);
    const node = this.#find(from);
    if (source === undefined || target === undefined || node === undefined) return;
    if (source.folder === target.folder) {
      changeNames(source.folder, { remove: source.name, set: [target.name, node] });
    } else {
      const step: Rename = { from: source.folder, to: target.folder };
      changeNames(target.folder, { set: [target.name, node], with: step });
      changeNames(source.folder, { remove: source.name, with: step });
    }
  }

  #find(path: string): Node | undefined {
    const root = this.#roots.get(path);
    if (root !== undefined) return root;
    const parent = this.#parentOf(path);
    return parent?.folder.current.get(parent.name);
  }

  #parentOf(path: string): { readonly folder: FolderNode; readonly name: string } | undefined {
    for (const [root, folder] of this.#roots) {
      if (!path.startsWith(`${root}/`)) continue;
      const names = path.slice(root.length + 1).split('/');
      const name = names.pop() ?? '';
      let current: Node | undefined = folder;
      for (const one of names) current = current?.kind === 'folder' ? current.current.get(one) : undefined;
      return current?.kind === 'folder' ? { folder: current, name } : undefined;
    }
    return undefined;
  }

  /** Writes what the disk would hold of the root, which is not there any more. */
  async rebuild(root: string, survives: Survives = () => false): Promise<void> {
    const folder = this.#roots.get(root);
    const fates = new Map<object, boolean>();
    const isThere = (change: DataChange | NameChange): boolean => {
      const step = 'with' in change ? change.with : change;
      const fate = fates.get(step) ?? survives();
      fates.set(step, fate);
      return fate;
    };
    if (folder !== undefined) await rebuildFolder(folder, root, isThere, new Map());
  }
}

type IsThere = (change: DataChange | NameChange) => boolean;

async function rebuildFolder(folder: FolderNode, target: string, isThere: IsThere, written: Map<Node, string>): Promise<void> {
  await mkdir(target);
  for (const [name, node] of withNames(folder.durable, folder.pending.filter(isThere))) {
    const path = join(target, name);
    const first = written.get(node);
    if (node.kind === 'folder') await rebuildFolder(node, path, isThere, written);
    else if (first !== undefined) await link(first, path);
    else await writeFile(path, withData(node.durable, node.pending.filter(isThere)));
    written.set(node, path);
  }
}

async function loadFolder(path: string): Promise<FolderNode> {
  const entries = new Map<string, Node>();
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    entries.set(entry.name, entry.isDirectory() ? await loadFolder(inner) : newFile(await readFile(inner)));
  }
  return { ...newFolder(), durable: new Map(entries), current: entries };
}

function newFolder(): FolderNode {
  return { kind: 'folder', durable: new Map(), current: new Map(), pending: [], applied: 0 };
}

function newFile(durable: Buffer = Buffer.alloc(0)): FileNode {
  return { kind: 'file', durable, pending: [], applied: 0 };
}

function changeNames(folder: FolderNode, change: NameChange): void {
  if (change.remove !== undefined) folder.current.delete(change.remove);
  if (change.set !== undefined) folder.current.set(...change.set);
  folder.pending.push(change);
}

/** On the disk are the first so many changes of the folder's names, and in other folders what is one step with one of them. */
function keepNames(folder: FolderNode, count: number): void {
  const kept = folder.pending.splice(0, count);
  folder.durable = withNames(folder.durable, kept);
  folder.applied += count;
  for (const { with: rename } of kept) {
    const other = rename?.from === folder ? rename.to : rename?.from;
    const at = other?.pending.findIndex((change) => change.with === rename) ?? -1;
    if (rename !== undefined && other !== undefined && at >= 0) keepNames(other, at + 1);
  }
}

function withNames(names: ReadonlyMap<string, Node>, changes: readonly NameChange[]): Map<string, Node> {
  const changed = new Map(names);
  for (const { remove, set } of changes) {
    if (remove !== undefined) changed.delete(remove);
    if (set !== undefined) changed.set(...set);
  }
  return changed;
}

function contentOf({ durable, pending }: FileNode): Buffer {
  return withData(durable, pending);
}

function withData(content: Buffer, changes: readonly DataChange[]): Buffer {
  let changed = content;
  for (const { at, bytes } of changes) {
    const length = bytes === undefined ? at : Math.max(changed.length, at + bytes.length);
    const next = Buffer.alloc(length);
    changed.copy(next, 0, 0, Math.min(changed.length, length));
    bytes?.copy(next, at);
    changed = next;
  }
  return changed;
}

function text(arg: CallArgument | undefined): string {
  return Buffer.isBuffer(arg) ? arg.toString() : '';
}

function number(arg: CallArgument | undefined): number {
  return Number(arg);
}
