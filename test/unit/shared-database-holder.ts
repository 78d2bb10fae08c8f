/** A thread that holds a file locked for a moment, for shared-database.test.ts; notes in the gate that it let go. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';

const { path, gate } = workerData as { readonly path: string; readonly gate: SharedArrayBuffer };
const database = new DatabaseSync(path);
database.exec('BEGIN EXCLUSIVE; CREATE TABLE held (value)');
parentPort?.postMessage('held');
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
Atomics.store(new Int32Array(gate), 0, 1);
database.exec('COMMIT');
database.close();
