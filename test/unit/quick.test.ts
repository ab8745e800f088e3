import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { select, usesOf } from '../../dev/quick/select.ts';

const USES = usesOf(
  new Map([
    ['src/a.ts', "import { b } from './b.ts';\nconst css = readFileSync(new URL('a.css', import.meta.url));"],
    ['src/a.css', ''],
    ['src/b.ts', "export { c } from './deep/c.ts';"],
    ['src/deep/c.ts', 'export const c = 1;'],
    ['src/types.ts', 'export type T = 1;'],
    ['test/x.test.ts', "import { a } from '../src/a.ts';\nimport type { T } from '../src/types.ts';"],
    ['test/y.test.ts', "spawn(process.execPath, ['src/b.ts']);"],
    ['test/z.test.ts', "const later = await import('../src/deep/c.ts');"],
    ['test/long.test.ts', "import { c } from '../src/deep/c.ts';"],
    ['test/alone.test.ts', "import { it } from 'vitest';"],
  ]),
);
const TESTS = ['x', 'y', 'z', 'long', 'alone'].map((name) => `test/${name}.test.ts`);
const DURATIONS = { 'test/x.test.ts': 5, 'test/y.test.ts': 5, 'test/z.test.ts': 5, 'test/long.test.ts': 21 };
const choose = (changed: string[], budget = 60) => {
  const { chosen, leftOut } = select({ tests: TESTS, changed, uses: USES, durations: DURATIONS, budget, longest: 20 });
  return {
    chosen: chosen.map(({ file, distance }) => [file, distance]),
    leftOut: leftOut.map(({ file, distance }) => [file, distance]),
  };
};

describe('npm run test:quick', () => {
  it('takes the test files that reach what changed, the nearest first, and none that takes long', () => {
    expect(choose(['src/deep/c.ts'])).toEqual({
      chosen: [
        ['test/z.test.ts', 1],
        ['test/y.test.ts', 2],
        ['test/x.test.ts', 3],
      ],
      leftOut: [['test/long.test.ts', 1]],
    });
  });

  it('stops where the time is used up, and says what it left out', () => {
    expect(choose(['src/deep/c.ts'], 10)).toEqual({
      chosen: [
        ['test/z.test.ts', 1],
        ['test/y.test.ts', 2],
      ],
      leftOut: [
        ['test/long.test.ts', 1],
        ['test/x.test.ts', 3],
      ],
    });
  });

  it('takes a test file that changed itself, and one that starts or reads what changed', () => {
    expect(choose(['test/alone.test.ts']).chosen).toEqual([['test/alone.test.ts', 0]]);
    expect(choose(['src/b.ts']).chosen).toEqual([
      ['test/y.test.ts', 1],
      ['test/x.test.ts', 2],
    ]);
    expect(choose(['src/a.css']).chosen).toEqual([['test/x.test.ts', 2]]);
  });

  it('takes none for what only types use, and none for what nobody reaches', () => {
    expect(choose(['src/types.ts', 'docs/page.md'])).toEqual({ chosen: [], leftOut: [] });
  });

  it('knows durations of test files that exist', () => {
    const durations = JSON.parse(readFileSync('dev/quick/durations.json', 'utf8')) as Record<string, number>;
    expect(Object.keys(durations).filter((file) => !existsSync(file))).toEqual([]);
    expect(Object.keys(durations).length).toBeGreaterThan(50);
  });

  it('lists what it would run in this working tree', () => {
    const ran = spawnSync(process.execPath, ['--import', 'tsx', 'dev/quick/main.ts', '--list'], { encoding: 'utf8' });
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toMatch(/^\d+ of the \d+ integration files that reach what changed:\n/);
    expect(ran.status).toBe(0);
  });
});
