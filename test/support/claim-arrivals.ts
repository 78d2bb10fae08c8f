/** A receiver in a process of its own: claims and finishes messages until the queue is empty, then prints whose it had. */
import { ArrivalsQueue } from '../../local-cloud/arrivals-queue.ts';

const queue = new ArrivalsQueue({ path: process.argv[2] ?? '' });
const claimed: string[] = [];
for (;;) {
  const messages = queue.receive({ max: 3, visibilityTimeout: 60_000 });
  if (messages.length === 0) break;
  for (const { key, receipt } of messages) {
    claimed.push(key);
    if (queue.delete([receipt]) !== 1) throw new Error(`the receipt of ${key} was void`);
  }
}
queue.close();
console.log(JSON.stringify(claimed));
