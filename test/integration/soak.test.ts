import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { start } from '../../dev/process.ts';
import type { Result } from '../soak/report.ts';

const folder = mkdtempSync(join(tmpdir(), 'lethe-soak-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function soak(...args: string[]): Promise<{ code: number | null; output: string }> {
  const running = start(process.execPath, ['scripts/soak.mjs', ...args]);
  const code = await running.exited;
  return { code, output: running.output() };
}

describe('npm run soak', () => {
  it('erases a stream under faults, verifies each erasure, and reports what it has watched', async () => {
    const [json, chart] = [join(folder, 'soak.json'), join(folder, 'soak.svg')];
    const { code, output } = await soak('--minutes', '0.7', '--json', json, '--chart', chart);
    const result = JSON.parse(readFileSync(json, 'utf8')) as Result;
    expect(result.erasures).toBeGreaterThan(12);
    expect(result.rows).toBeGreaterThan(20_000);
    // The API's second end is due about half time, when it is spared.
    expect(
      Object.keys(result.faults)
        .filter((name) => name !== 'SIGTERM of the API')
        .sort(),
    ).toEqual([
      'Postgres sessions ended',
      'Redis flushed',
      'Redis restarted, empty',
      'SIGTERM of a worker',
      'kill -9 of a worker',
      'kill -9 of the API',
    ]);
    expect(result.lives).toEqual({ api: expect.any(Number), 'worker-1': 1, 'worker-2': expect.any(Number) });
    // Half a minute is too short for a heap to be warm: what grows is for a longer run to judge.
    expect(result.failures.filter((failure) => !/ memory grows: /.test(failure))).toEqual([]);
    expect(code).toBe(result.failures.length > 0 ? 1 : 0);
    expect(result.trends.map((row) => row.name)).toEqual(
      expect.arrayContaining(['worker-1 memory', 'worker-1 files', 'lethe-worker sessions', 'chunk size', 'dead rows']),
    );
    for (const { name } of result.trends) expect(output).toContain(name);
    const svg = readFileSync(chart, 'utf8');
    expect(svg).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    for (const text of ['Resident memory, MiB', 'Dead rows of all rows', 'lethe-worker'])
      expect(svg).toContain(`>${text}<`);
  }, 300_000);

  it.each([
    [['--minutes', '0'], /expected minutes from 0\.5 to 10080/],
    [['--minutes', 'an hour'], /expected minutes/],
    [['--hours', '1'], /unknown option/],
    [['20'], /too many arguments/],
  ])(
    '%j is refused with one line and exit code 2',
    async (args, says) => {
      const { code, output } = await soak(...args);
      expect(output).toMatch(says);
      expect(output.trim().split('\n').length).toBe(1);
      expect(code).toBe(2);
    },
    60_000,
  );
});
