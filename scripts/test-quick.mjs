// Lint, types, unit tests, and the integration tests of what changed; the rest is for npm test.
import { bin, installPackages, installPromtool, installRedis, run } from './set-up.mjs';

installPackages();
installRedis();
installPromtool();
process.exit(run(bin('tsx/dist/cli.mjs'), ['dev/quick/main.ts', ...process.argv.slice(2)]));
