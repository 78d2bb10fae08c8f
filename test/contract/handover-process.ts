/** A listener as a process of its own, which takes every word: `node handover-process.ts SPOOL`. Tells its parent when it listens. */
import { createLog } from '../../core/logging.ts';
import { HandoverListener } from '../../local-uploader/handover/handover-listener.ts';

const [, , spool = ''] = process.argv;
await HandoverListener.open(spool, { log: createLog({ level: 'silent' }), take: async () => true });
process.send?.('listening');
