import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  circlesAmong,
  filesIn,
  forbidden,
  type Import,
  importsOf,
  readImports,
  roomNameOf,
} from '../../dev/rooms/imports.ts';
import { MOST, ROOMS } from '../../dev/rooms/rooms.ts';

const FILES = filesIn('src');
const IMPORTS = readImports('src');
const file = (from: string, to: string): Import => ({ from, to, kind: 'file' });

describe('the imports of src', () => {
  it('are read in every form', () => {
    const text = `import a from './a.ts';
import type { B } from '../b.ts';
export { c } from '../jobs/c.ts';
import {
  d,
} from './d.ts';
import './e.ts';
const f = await import('./f.ts');
type G = import('./g.ts').G;
import { h } from 'hono/h';`;
    expect(importsOf('http/api/x.ts', text).map(({ to }) => to)).toEqual([
      'http/api/a.ts',
      'http/b.ts',
      'http/jobs/c.ts',
      'http/api/d.ts',
      'http/api/e.ts',
      'http/api/f.ts',
      'http/api/g.ts',
      'hono/h',
    ]);
    expect(IMPORTS.length).toBeGreaterThan(1_000);
  });

  it('follow the table', () => {
    expect(IMPORTS.map(forbidden).filter(Boolean)).toEqual([]);
  });

  it('would be seen where they break it', () => {
    for (const [from, to] of [
      ['store/x.ts', 'http/app.ts'],
      ['store/x.ts', '../dev/stack.ts'],
      ['http/api/accounts.ts', 'jobs/worker.ts'],
      ['errors.ts', 'logger.ts'],
      ['client/index.ts', 'http/bodies/representation.ts'],
      ['nowhere/x.ts', 'errors.ts'],
    ] as const)
      expect(forbidden(file(from, to)), `${from} → ${to}`).toContain(from);
    for (const [from, to] of [
      ['store/client.ts', 'hono'],
      ['store/client.ts', '@hono/node-server'],
      ['http/support/list.ts', 'bullmq'],
      ['mail/send.ts', 'resend'],
      ['client/index.ts', 'zod'],
    ] as const)
      expect(forbidden({ from, to, kind: 'package' }), `${from} → ${to}`).toContain(to);
    expect(forbidden({ from: 'mail/resend.ts', to: 'resend', kind: 'package' })).toBeUndefined();
  });

  it('go in no circle between files', () => {
    expect(circlesAmong(IMPORTS)).toEqual([]);
  });

  it('would be seen going in a circle', () => {
    const imports = [file('a.ts', 'b.ts'), file('b.ts', 'c.ts'), file('c.ts', 'b.ts'), file('c.ts', 'd.ts')];
    expect(circlesAmong(imports)).toEqual([['b.ts', 'c.ts']]);
  });
});

describe('the rooms of src', () => {
  it('are those of the table', () => {
    expect([...new Set(FILES.map(roomNameOf))].sort()).toEqual(ROOMS.map(({ name }) => name).sort());
  });

  it.each(ROOMS)('$name has at most 20 files and 1,500 lines, or the table says why', ({ name, large }) => {
    const inside = FILES.filter((path) => roomNameOf(path) === name);
    const lines = inside.reduce((sum, path) => sum + readFileSync(`src/${path}`, 'utf8').split('\n').length - 1, 0);
    expect(inside.length, 'files').toBeLessThanOrEqual(large?.files ?? MOST.files);
    expect(lines, 'lines').toBeLessThanOrEqual(large?.lines ?? MOST.lines);
    if (large) expect(inside.length > MOST.files || lines > MOST.lines, 'not that large').toBe(true);
  });
});
