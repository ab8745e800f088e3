/** The worker of `plain-job.ts`: `plain-worker.ts <database URL> <Redis URL> <queue>`. */
import { Worker } from 'bullmq';
import postgres from 'postgres';
import { deleteInLoop } from './loop.ts';

const [databaseUrl, redisUrl, queue] = process.argv.slice(2) as [string, string, string];
const sql = postgres(databaseUrl, { max: 2, onnotice: () => {} });
const worker = new Worker<{ account: string }>(queue, (job) => deleteInLoop(sql, job.data.account), {
  connection: { url: redisUrl },
});
await worker.waitUntilReady();
process.send?.('ready');
process.on('disconnect', () => process.exit(1));
