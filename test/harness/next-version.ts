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
  const contracts = join(folder, 'dist/jobs/contracts.js');
  const source = readFileSync(contracts, 'utf8');
  const next = source.replaceAll('erasureId: z.uuid(), ', "erasureId: z.uuid(), hint: z.string().default('next'), ");
  if (next === source) throw new Error('the contracts have changed: the next version cannot be made of them');
  writeFileSync(contracts, next);
  return join(folder, 'dist/cli/lethe.js');
}
