/** The exec's end of the socket. It loads next to nothing: where somebody listens, this is all that runs. */
import { lstatSync } from 'node:fs';
import { connect } from 'node:net';
import { MAX_WORD, serializeWord, TAKEN, type HandoverWord } from './handover-word.ts';

/** Milliseconds. One who is stopped, or at its limit, may not answer; the locks keep two that work at once apart. */
const PATIENCE = 10_000;

/**
 * Whether the resident uploader has taken the word: it begins a round after that. `false` where nobody listens, nobody answers in
 * time, or it is left to the one who asks.
 */
export async function handOver(socketPath: string, word: HandoverWord, patience: number = PATIENCE): Promise<boolean> {
  const line = serializeWord(word);
  if (Buffer.byteLength(line) > MAX_WORD || !isSocket(socketPath)) return false;
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(socketPath, () => void socket.write(line));
    const done = (): void => {
      socket.destroy();
      resolve(answer === `${TAKEN}\n`);
    };
    socket.setEncoding('utf8').setTimeout(patience, done);
    socket.on('data', (text: string) => {
      answer += text;
      if (answer.length > TAKEN.length) done();
    });
    socket.on('error', done).on('close', done);
  });
}

/** Through no link, as everywhere in a spool. */
function isSocket(path: string): boolean {
  try {
    return lstatSync(path).isSocket();
  } catch {
    return false;
  }
}
