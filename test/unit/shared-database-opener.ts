/** A thread that opens new files together with others, for shared-database.test.ts: all meet before each file. */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { openSharedDatabase } from '../../core/shared-database.ts';

const { folder, gate, threads, rounds } = workerData as {
  readonly folder: string;
  readonly gate: SharedArrayBuffer;
  readonly threads: number;
  readonly rounds: number;
};
const met = new Int32Array(gate);
const refused: string[] = [];
let opened = 0;

/** Spins: waking a sleeping thread takes longer than the race lasts. */
function meet(place: number, round: number): void {
  Atomics.add(met, place, 1);
  while (Atomics.load(met, place) < threads * (round + 1));
}

for (let round = 0; round < rounds; round += 1) {
  meet(0, round);
  try {
    openSharedDatabase(join(folder, `${round}.sqlite`)).close();
    opened += 1;
  } catch (error) {
    refused.push(String(error));
  }
  meet(1, round);
}
parentPort?.postMessage({ opened, refused });
