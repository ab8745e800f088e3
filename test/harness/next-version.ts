import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { sweepUp } from '../../dev/reaper.ts';

/**
 * The built code with the next version's contracts: an optional field more in each job that erases, as an upgrade
 * would bring it. Returns its command.
 */
export function buildNextVersion(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-next-'));
  sweepUp(folder);
  for (const name of ['dist', 'drizzle', 'package.json']) cpSync(name, join(folder, name), { recursive: true });
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  for (const job of ['erasure-advance', 'chunk-erase']) {
    const file = join(folder, `dist/jobs/list/${job}.js`);
    const source = readFileSync(file, 'utf8');
    const next = source.replace('erasureId: z.uuid(),', "erasureId: z.uuid(), hint: z.string().default('next'),");
    if (next === source) throw new Error(`${job} has changed: the next version cannot be made of it`);
    writeFileSync(file, next);
  }
  return join(folder, 'dist/cli/lethe.js');
}
