/** `storestow upload` where a resident uploader is at the spool: it is told, and nothing else is loaded. */
import { writeSync } from 'node:fs';
import { handOver } from '../local-uploader/handover/hand-over.ts';
import { handoverSocket } from '../local-uploader/handover/handover-word.ts';
import { handoverOf } from './hand-over-arguments.ts';

/**
 * Whether the resident uploader has taken what the arguments behind `upload` ask for. What arrived lies in the spool: if it ends before
 * it got there, whoever starts next at that spool (it is started again; the sweep; the next exec) finds it there.
 */
export async function leaveToResident(args: readonly string[]): Promise<boolean> {
  const cwd = currentFolder();
  const handover = cwd === undefined ? undefined : handoverOf(args, cwd, process.env['STORESTOW_CONFIG']);
  if (handover === undefined) return false;
  const socket = handoverSocket(handover.spool);
  if (socket === undefined || !(await handOver(socket, handover.word))) return false;
  say('left to the resident uploader\n');
  return true;
}

/** `undefined` where it is no more: the command says so. */
function currentFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/** A stream for one line would cost as much as all the rest. Nobody may be there to read it, which is no failure. */
function say(line: string): void {
  try {
    writeSync(1, line);
  } catch {
    return;
  }
}
