// Lint, types, every test, and two minutes of faults; arguments go to the test runner, which is then all that follows.
import {
  bin,
  installChromium,
  installPackages,
  installPgbouncer,
  installPromtool,
  installRabbit,
  installRedis,
  run,
} from './set-up.mjs';

/** The new seed first: a run that takes long must not use up its time. */
const FAULTS = ['--minutes', '2', '--seeds', 'new,1,2,3,4,5,6,7,8'];

installPackages();
installRedis();
installChromium();
installRabbit();
installPromtool();
const given = process.argv.slice(2);
if (given.length === 0) installPgbouncer();
const steps = [
  [bin('@biomejs/biome/bin/biome'), ['ci', '--error-on-warnings', '--colors=off', '.']],
  [bin('typescript/bin/tsc'), ['-p', 'tsconfig.json']],
  [bin('vitest/vitest.mjs'), ['run', ...given]],
];
const faults = [
  [bin('typescript/bin/tsc'), ['-p', 'tsconfig.build.json']],
  ['scripts/copy-assets.mjs', []],
  [bin('tsx/dist/cli.mjs'), ['test/harness/main.ts', ...FAULTS]],
];
for (const [command, args] of given.length === 0 ? [...steps, ...faults] : steps) {
  const status = run(command, args);
  if (status !== 0) process.exit(status);
}
