import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { start } from '../../dev/process.ts';
import { mutatedTexts } from '../mutations/copy.ts';
import { applyEdit } from '../mutations/mutation.ts';
import { MUTATIONS } from '../mutations/mutations.ts';

async function mutations(...args: string[]): Promise<{ code: number | null; output: string }> {
  const running = start(process.execPath, ['--import', 'tsx', 'test/mutations/main.ts', ...args]);
  const code = await running.exited;
  return { code, output: running.output() };
}

describe('the mutations', () => {
  it('are at least 25, each with a name of its own', () => {
    expect(MUTATIONS.length).toBeGreaterThanOrEqual(25);
    expect(new Set(MUTATIONS.map((m) => m.name)).size).toBe(MUTATIONS.length);
  });

  it.each(MUTATIONS)('$name changes text that occurs once, and names tests that exist', (mutation) => {
    const texts = mutatedTexts(mutation, (file) => readFileSync(file, 'utf8'));
    expect(texts.size).toBeGreaterThan(0);
    for (const [file, text] of texts) expect(text).not.toBe(readFileSync(file, 'utf8'));
    expect(mutation.tests.length).toBeGreaterThan(0);
    for (const file of mutation.tests) expect(existsSync(file), file).toBe(true);
  });

  it('are stale where their text is not there, or more than once', () => {
    const edit = { file: 'a.ts', find: 'one()', replace: 'two()' };
    expect(applyEdit('if (x) one();', edit)).toBe('if (x) two();');
    expect(() => applyEdit('three()', edit)).toThrow('a.ts holds this 0 times instead of once: one()');
    expect(() => applyEdit('one(); one();', edit)).toThrow('a.ts holds this 2 times instead of once: one()');
  });
});

describe('npm run test:mutations', () => {
  it('lists what it would do', async () => {
    const { code, output } = await mutations('--list');
    expect(output.trim().split('\n')).toEqual(MUTATIONS.map((m) => `${m.name}: ${m.breaks}`));
    expect(code).toBe(0);
  });

  it.each([
    [['--only', 'magic'], /there is no mutation magic/],
    [['--fast'], /unknown option/],
    [['more'], /too many arguments/],
  ])('%j is refused with one line and exit code 2', async (args, says) => {
    const { code, output } = await mutations(...args);
    expect(output).toMatch(says);
    expect(output.trim().split('\n').length).toBe(1);
    expect(code).toBe(2);
  });
});
