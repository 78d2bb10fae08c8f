/** Starts a receiver, prints its port and stays: `node storescp-process.ts SPOOL`. */
import { createLog } from '../../core/logging.ts';
import { startStorescp } from '../../local-cloud/storescp.ts';

const [, , spool = ''] = process.argv;
const { port } = await startStorescp({ port: 0, aet: 'A', spool, execCommand: ['true'], log: createLog({ level: 'silent' }) });
console.log(port);
