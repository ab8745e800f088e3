// The soak watches the built code: what is deployed, not what a loader makes of the sources.
import { bin, installPackages, installRedis, run } from './set-up.mjs';

installPackages();
installRedis();
// In a folder of its own: processes are started during the whole run, and a build elsewhere would take files from under them.
const folder = 'dist-soak';
const built =
  run(bin('typescript/bin/tsc'), ['-p', 'tsconfig.build.json', '--outDir', folder]) ||
  run('scripts/copy-assets.mjs', [folder]);
process.exit(built || run(bin('tsx/dist/cli.mjs'), ['test/soak/main.ts', ...process.argv.slice(2)]));
