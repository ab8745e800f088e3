import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Result } from '../../bench/result.ts';
import { start } from '../../dev/process.ts';

const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function bench(...args: string[]): Promise<{ code: number | null; output: string }> {
  const running = start(process.execPath, ['scripts/bench.mjs', ...args]);
  const code = await running.exited;
  return { code, output: running.output() };
}

describe('npm run bench', () => {
  it('measures, judges, names each missed bar and exits 1 with --check', async () => {
    const json = join(folder, 'result.json');
    const small = [
      '--posts',
      '3000',
      '--bystanders',
      '20000',
      '--repeats',
      '1',
      '--only',
      'cascade,lethe-full-1,single',
    ];
    const { code, output } = await bench(...small, '--check', '--json', json, '--charts', folder);
    const result = JSON.parse(readFileSync(json, 'utf8')) as Result;
    expect(result.contenders.map((row) => [row.name, row.posts, row.rows > 0 && row.latency.n > 0])).toEqual([
      ['cascade', 3000, true],
      ['lethe-full-1', 3000, true],
      ['single', 3000, true],
    ]);
    expect(result.idle.n).toBeGreaterThan(100);
    expect(result.extras.immediate?.requestMs).toBeGreaterThan(0);
    expect(result.extras.statusReads?.status).toBeGreaterThan(10);
    expect(result.extras.crowd?.accounts).toBe(20);
    // Three thousand posts are no match for one statement, so something is missed.
    const missed = result.bars.filter((bar) => !bar.holds);
    expect(missed.length).toBeGreaterThan(0);
    for (const { name } of missed) expect(output).toContain(`bench: missed: ${name}`);
    expect(code).toBe(1);
    for (const chart of ['speed.svg', 'latency.svg'])
      expect(readFileSync(join(folder, chart), 'utf8')).toMatch(
        /^<svg[\s\S]*Lethe, pace full, 1 worker[\s\S]*<\/svg>\s*$/,
      );
  }, 240_000);

  it.each([
    [['--repeats', '0'], /expected a whole number from 1/],
    [['--only', 'magic'], /there is no contender magic/],
    [['--fast'], /unknown option/],
  ])(
    '%j is refused with one line and exit code 2',
    async (args, says) => {
      const { code, output } = await bench(...args);
      expect(output).toMatch(says);
      expect(output.trim().split('\n').length).toBe(1);
      expect(code).toBe(2);
    },
    60_000,
  );
});
