/**
 * The resident uploader's end of the socket, `.storestow/resident` of its spool, for its user alone.
 *
 * A socket is made under a name of its own and then moved to that place in one step, so that there is never a moment without a
 * listener, and whoever is killed in between leaves nothing but that, which the next one removes. What lies in the place is looked at when the uploader starts, and now
 * and then after that:
 *
 * | in the place                         | what is done                                                                |
 * |--------------------------------------|-----------------------------------------------------------------------------|
 * | our own socket, or nothing           | nothing, or ours is put there                                               |
 * | one that nobody listens to           | a killed uploader has left it: ours is put there                            |
 * | one that somebody listens to         | another resident uploader is at this spool: it listens, until it ends       |
 * | a link, a file, anything else        | not the uploader's: it stays, and is told                                   |
 */
import { randomBytes } from 'node:crypto';
import { lstat, readdir, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import type { Log } from '../../core/logging.ts';
import { stateFolder } from '../../core/spool-layout.ts';
import { fitsSocket, handoverSocket, LEFT, MAX_WORD, parseWord, TAKEN, type HandoverWord } from './handover-word.ts';
import { isMissing } from '../spool/list-files.ts';
import { makeOwnFolder } from '../spool/own-folder.ts';

export interface ListenerOptions {
  readonly log: Log;
  /** Whether the word is taken. It may reject, which leaves it to the one who asks. */
  readonly take: (word: HandoverWord) => Promise<boolean>;
  /** Milliseconds between two looks at the place. Default 10 s. */
  readonly every?: number;
}

/** Milliseconds that a word may take to come; it is sent at once. */
const WORD_TIMEOUT = 5000;
/** Milliseconds from then on until the answer is on its way; about as long as an exec waits for it. */
const ANSWER_TIMEOUT = 10_000;
/** A socket that is not in its place yet. */
const NOT_IN_PLACE = /^r\.[0-9a-f]{6}$/;
/** At once; an exec that does not get in does the work. */
const MAX_CONNECTIONS = 256;

/** Never throws for the socket: without one the spool is watched all the same, and each exec does its own work. */
export class HandoverListener {
  readonly #spool: string;
  readonly #options: ListenerOptions;
  readonly #timer: NodeJS.Timeout;
  #ours: { readonly server: Server; readonly inode: bigint } | undefined;
  #look: Promise<void> = Promise.resolve();
  #told: string | undefined;
  #closing: Promise<void> | undefined;

  private constructor(spool: string, options: ListenerOptions) {
    this.#spool = resolve(spool);
    this.#options = options;
    this.#timer = setInterval(() => void this.#lookAgain(), options.every ?? 10_000).unref();
  }

  static async open(spool: string, options: ListenerOptions): Promise<HandoverListener> {
    const listener = new HandoverListener(spool, options);
    await listener.#lookAgain();
    return listener;
  }

  /** Whether words come to this one. */
  get listening(): boolean {
    return this.#ours !== undefined;
  }

  /** No word is taken from here on. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#look;
    try {
      const place = handoverSocket(this.#spool);
      const there = place === undefined ? undefined : await lookAt(place);
      if (place !== undefined && there !== undefined && there.inode === this.#ours?.inode) await unlink(place);
    } catch (err) {
      // Then it is a killed uploader's for who comes next.
      this.#options.log.info({ err }, 'the socket of the uploader could not be removed');
    }
    await this.#letGo();
  }

  /** One look at a time. */
  async #lookAgain(): Promise<void> {
    this.#look = this.#look.then(async () => {
      if (this.#closing !== undefined) return;
      try {
        await this.#ensure();
      } catch (err) {
        // The spool may not be there yet; its own rounds say so.
        if (!isMissing(err)) this.#tell({ err }, 'the uploader cannot listen for what storescp starts, which does its own work');
      }
    });
    return this.#look;
  }

  async #ensure(): Promise<void> {
    const place = handoverSocket(this.#spool);
    const ownName = fitsSocket(join(stateFolder(this.#spool), `r.${randomBytes(3).toString('hex')}`));
    if (place === undefined || ownName === undefined) {
      this.#tell(
        { spool: this.#spool },
        'the path of the spool is too long for a socket; what storescp starts does its own work',
      );
      return;
    }
    if (!(await makeOwnFolder(stateFolder(this.#spool)))) {
      this.#tell({ spool: this.#spool }, 'the folder of the locks is a link or a file; what storescp starts does its own work');
      return;
    }
    const there = await lookAt(place);
    if (there !== undefined && there.inode === this.#ours?.inode) return;
    await this.#letGo();
    if (there?.isSocket === false) {
      this.#tell({ path: place }, 'this is no socket of an uploader; remove it. What storescp starts does its own work');
      return;
    }
    if (there !== undefined && (await isListenedTo(place))) {
      this.#tell({ spool: this.#spool }, 'another resident uploader is at this spool, and takes what storescp starts');
      return;
    }
    const server = await this.#listen(ownName);
    try {
      const { inode } = (await lookAt(ownName)) ?? {};
      if (inode === undefined) throw new Error(`${ownName} was removed`);
      await rename(ownName, place);
      this.#ours = { server, inode };
      this.#told = undefined;
    } catch (error) {
      await closeServer(server);
      throw error;
    }
    await removeLeftSockets(stateFolder(this.#spool));
  }

  async #listen(path: string): Promise<Server> {
    const server = createServer((socket) => this.#serve(socket));
    server.maxConnections = MAX_CONNECTIONS;
    const begun = Promise.withResolvers<undefined>();
    server.once('error', begun.reject).once('listening', () => begun.resolve(undefined));
    // The socket is made within the call; its mode is what the umask leaves. It is the whole process's: folders that are made meanwhile
    // must stay ones that can be entered.
    const umask = process.umask(0o077);
    try {
      server.listen(path);
    } finally {
      process.umask(umask);
    }
    await begun.promise;
    server.removeAllListeners('error').on('error', (err) => this.#tell({ err }, 'a word of storescp did not come through'));
    return server;
  }

  #serve(socket: Socket): void {
    let said = '';
    const within = (time: number): NodeJS.Timeout => setTimeout(() => socket.destroy(), time);
    let late = within(WORD_TIMEOUT);
    socket.setEncoding('utf8').on('error', () => socket.destroy());
    socket.on('close', () => clearTimeout(late));
    socket.on('data', (text: string) => {
      said += text;
      const end = said.indexOf('\n');
      if (end < 0 && Buffer.byteLength(said) <= MAX_WORD) return;
      clearTimeout(late);
      late = within(ANSWER_TIMEOUT);
      socket.removeAllListeners('data').resume();
      // Whoever asked may be stopped, and never close its end.
      void this.#answer(end < 0 ? undefined : parseWord(said.slice(0, end))).then((answer) =>
        socket.end(`${answer}\n`, () => socket.destroy()),
      );
    });
  }

  async #answer(word: HandoverWord | undefined): Promise<string> {
    const { log, take } = this.#options;
    if (word === undefined) {
      log.warn('what came over the socket of the spool is not what an exec of storestow says; it is left');
      return LEFT;
    }
    try {
      return this.#closing === undefined && (await take(word)) ? TAKEN : LEFT;
    } catch (err) {
      log.warn({ err }, 'what storescp started is left to itself');
      return LEFT;
    }
  }

  async #letGo(): Promise<void> {
    const server = this.#ours?.server;
    this.#ours = undefined;
    if (server !== undefined) await closeServer(server);
  }

  /** Once, until something else is to be told, or all is well again. */
  #tell(about: object, message: string): void {
    if (this.#told !== message) this.#options.log.warn(about, message);
    this.#told = message;
  }
}

/** Those who are answered now still get their answer. */
async function closeServer(server: Server): Promise<void> {
  await new Promise((done) => server.close(done));
}

/** Of uploaders that were killed before they put theirs in the place. */
async function removeLeftSockets(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!NOT_IN_PLACE.test(name) || (await lookAt(path))?.isSocket !== true || (await isListenedTo(path))) continue;
    await unlink(path).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }
}

interface Found {
  readonly inode: bigint;
  readonly isSocket: boolean;
}

async function lookAt(path: string): Promise<Found | undefined> {
  try {
    const stats = await lstat(path, { bigint: true });
    return { inode: stats.ino, isSocket: stats.isSocket() };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** What a killed process leaves behind refuses (ECONNREFUSED). One that answers anything else has somebody behind it. */
async function isListenedTo(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  });
}
