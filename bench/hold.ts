import { writeFileSync } from 'node:fs';
import { background, createTemplate, startServer } from './database.ts';

const server = await startServer();
await createTemplate(server, 'base', [
  ...background(200, 3000000),
  { email: 'victim@example.com', posts: 1000000, feeds: 300 },
]);
writeFileSync('/tmp/x/url', server.url('X'));
console.log('ready', server.pid());
process.on('SIGTERM', async () => {
  await server.destroy();
  process.exit(0);
});
setInterval(() => {}, 1e6);
