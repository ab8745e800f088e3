import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build as bundle, type Plugin } from 'esbuild';
import { sweepUp } from '../../dev/reaper.ts';

/** What tests start as processes of their own, most of them many times. */
const PROGRAMS = [
  'src/cli/lethe.ts',
  'test/kinds/stop-in-call.ts',
  'test/kinds/stop-in-chunk.ts',
  'test/support/take-due.ts',
];
/** Below it the packages are found, and git ignores it. */
const WITHIN = 'node_modules/.cache';

/** A module looks for files beside itself: it is told where its source is, and not where it was built. */
const inPlace: Plugin = {
  name: 'in-place',
  setup: (build) => {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
    }));
  },
};

/**
 * Builds the programs from the sources as they stand, and gives the folder. A process that builds its own sources
 * as it starts takes three times the processor. Packages are not built in: a deployed process loads them, too.
 */
export async function build(): Promise<{ folder: string; remove: () => void }> {
  mkdirSync(WITHIN, { recursive: true });
  const folder = mkdtempSync(join(process.cwd(), WITHIN, 'lethe-test-'));
  sweepUp(folder);
  await bundle({
    entryPoints: PROGRAMS,
    outbase: '.',
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    plugins: [inPlace],
  });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
