// Mistakes made in a copy of the source, each of which a test must notice.
import { bin, installPackages, installPromtool, installRedis, run } from './set-up.mjs';

installPackages();
installRedis();
installPromtool();
process.exit(run(bin('tsx/dist/cli.mjs'), ['test/mutations/main.ts', ...process.argv.slice(2)]));
