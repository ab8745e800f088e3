import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** JSON that is YAML for every parser: what YAML would fold, or not take, is written as a code. */
export const yamlJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[\u007f-\u009f\u200b-\u202e\u2060-\u206f\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Runs a tool of Prometheus over files that are there for so long. `$name` in an argument is the path of a file. */
export function runTool(tool: 'promtool' | 'amtool', args: readonly string[], files: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-alerts-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const paths = args.map((arg) => arg.replace(/\$([\w.]+)$/, (_, name: string) => join(folder, name)));
    const { status, stdout, stderr, error } = spawnSync(tool, paths, { encoding: 'utf8', timeout: 120_000 });
    if (error) throw error;
    return { status, output: `${stdout}${status === 0 ? '' : stderr}` };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
