// The soak watches the built code: what is deployed, not what a loader makes of the sources.
import { bin, installPackages, installRedis, run } from './set-up.mjs';

installPackages();
installRedis();
const built = run(bin('typescript/bin/tsc'), ['-p', 'tsconfig.build.json']) || run('scripts/copy-assets.mjs', []);
process.exit(built || run(bin('tsx/dist/cli.mjs'), ['test/soak/main.ts', ...process.argv.slice(2)]));
