import { bin, installPackages, installRedis, run } from './set-up.mjs';

installPackages();
if (!process.env.REDIS_URL) installRedis();
process.exit(run(bin('tsx/dist/cli.mjs'), ['dev/demo.ts', ...process.argv.slice(2)]));
