/**
 * A process that is kept running: notes its id in the file of its first argument and does what the second says: `stays` until it is
 * ended, `readies` does and says that it is ready when the file `NOTES.go` is there, `ends` at once with 3, `prints` a line of a log and stays, `deaf` stays although it is asked to end.
 */
import { appendFileSync, existsSync } from 'node:fs';

const [notes = '', does = ''] = process.argv.slice(2);
if (does === 'readies') {
  const look = setInterval(() => {
    if (!existsSync(`${notes}.go`)) return;
    clearInterval(look);
    process.send?.('ready');
  }, 10);
}
if (does === 'prints') process.stdout.write(`${JSON.stringify({ level: 40, msg: 'as the test wants it' })}\n`);
if (does === 'deaf') process.on('SIGTERM', () => undefined);
appendFileSync(notes, `${process.pid}\n`);
if (does === 'ends') process.exitCode = 3;
// Listening keeps the process until its starter is gone.
else process.once('disconnect', () => undefined);
