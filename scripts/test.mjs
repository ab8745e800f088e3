// Lint, types and every test; arguments go to the test runner.
import { bin, installChromium, installPackages, installRedis, run } from './set-up.mjs';

installPackages();
installRedis();
installChromium();
const steps = [
  [bin('@biomejs/biome/bin/biome'), ['ci', '--error-on-warnings', '--colors=off', '.']],
  [bin('typescript/bin/tsc'), ['-p', 'tsconfig.json']],
  [bin('vitest/vitest.mjs'), ['run', ...process.argv.slice(2)]],
];
for (const [command, args] of steps) {
  const status = run(command, args);
  if (status !== 0) process.exit(status);
}
