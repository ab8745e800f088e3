import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VARIABLES } from '../../src/config.ts';
import { ERRORS } from '../../src/errors.ts';
import { FAULTS } from '../harness/faults.ts';

const read = (file: string) => readFileSync(file, 'utf8');

describe('the documentation', () => {
  it('.env.example explains every option of the configuration exactly once, and no other', () => {
    const named = read('.env.example')
      .split('\n')
      .map((line) => /^(?:# )?([A-Z][A-Z_]+)=/.exec(line)?.[1])
      .filter((name) => name !== undefined);
    expect(named.sort()).toEqual([...VARIABLES].sort());
  });

  it('README links to files that exist', () => {
    const links = [...read('README.md').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((m) => m[1] as string);
    expect(links.length).toBeGreaterThan(5);
    for (const link of links) expect(statSync(link), link).toBeTruthy();
  });

  it('README lists every error code that a caller can meet', () => {
    const codes = Object.entries(ERRORS)
      .filter(([, e]) => e.status < 500 || e.status === 503)
      .map(([code]) => code);
    const table = read('README.md');
    for (const code of codes.filter((c) => c !== 'contended')) expect(table, code).toContain(`\`${code}\``);
  });

  it('docs/testing.md has every fault of the harness, in its words', () => {
    const page = read('docs/testing.md');
    for (const { name, what } of FAULTS) expect(page).toContain(`| \`${name}\` | ${what} |`);
  });

  it('decisions are numbered without gaps', () => {
    const numbers = readdirSync(join('docs', 'decisions'))
      .sort()
      .map((f) => Number(f.slice(0, 3)));
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  });
});
