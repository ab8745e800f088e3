// The fault harness runs the built code: what is deployed is what is killed.
import { bin, installPackages, installPgbouncer, installRedis, run } from './set-up.mjs';

installPackages();
installRedis();
installPgbouncer();
const built = run(bin('typescript/bin/tsc'), ['-p', 'tsconfig.build.json']) || run('scripts/copy-assets.mjs', []);
process.exit(built || run(bin('tsx/dist/cli.mjs'), ['test/harness/main.ts', ...process.argv.slice(2)]));
