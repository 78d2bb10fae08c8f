/** The most memory that processes ever had resident, as Linux counts it (proc_pid_status(5), VmHWM). */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { descendantsOf } from './process-tree.ts';

export interface ProcessPeak {
  readonly command: string;
  /** Bytes. */
  readonly peak: number;
}

export const peakMemoryAvailable = existsSync('/proc/self/status');

/** How often the peaks are read: what a process takes shortly before it ends may go unseen for so long. */
const INTERVAL = 250;

/** Of a process and of all that it starts while `work` lasts; rejects as `work` does. */
export async function peakMemoryDuring(work: Promise<unknown>, pid: number, command: string): Promise<readonly ProcessPeak[]> {
  const peaks = new Map<number, ProcessPeak>();
  const look = async (): Promise<void> => {
    for (const { pid: seen, command: name } of [{ pid, command }, ...(await descendantsOf(pid))]) {
      const peak = await peakMemory(seen);
      if (peak !== undefined) peaks.set(seen, { command: name, peak });
    }
  };
  let lasts = true;
  const end = work.finally(() => (lasts = false));
  while (lasts) {
    await look();
    await Promise.race([end, delay(INTERVAL)]);
  }
  await look();
  return [...peaks.values()];
}

/** Undefined where there is no such process. */
async function peakMemory(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}
