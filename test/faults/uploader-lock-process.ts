/**
 * Asks for the lock again and again: `node uploader-lock-process.ts FOLDER STATE LOG NUMBER ROUNDS`. Before each time it notes how far
 * it is in FOLDER; the work that the lock guards writes to LOG how far every process was.
 */
import { appendFileSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { oneAtATime } from '../../local-uploader/spool/study-lock.ts';

const [, , folder = '', state = '', log = '', number = '', rounds = '0'] = process.argv;
for (let round = 1; round <= Number(rounds); round++) {
  // In one step, as an arrival comes.
  writeFileSync(join(state, '..', `next-${number}`), String(round));
  renameSync(join(state, '..', `next-${number}`), join(folder, number));
  await oneAtATime(folder, state, async () => {
    appendFileSync(log, 'begin\n');
    const seen = readdirSync(folder)
      .sort()
      .map((name) => readFileSync(join(folder, name), 'utf8'));
    await new Promise((resolve) => setImmediate(resolve));
    appendFileSync(log, `seen ${seen.join(',')}\nend\n`);
  });
}
