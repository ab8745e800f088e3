import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withImportRules } from '../../dev/rooms/biome.ts';
import { withDrawing } from '../../dev/rooms/drawing.ts';
import { forbidden } from '../../dev/rooms/imports.ts';
import { PACKAGES, ROOMS } from '../../dev/rooms/rooms.ts';

const read = (file: string) => readFileSync(file, 'utf8');
const isFile = (name: string) => /\.[jt]s$/.test(name);
/** A file of a room: the room itself where it is one. */
const fileOf = (room: string) => (isFile(room) ? room : `${room}/any.ts`);

describe('the table of rooms', () => {
  it('stands in biome.json as import rules; npm run rooms writes them', () => {
    const config = JSON.parse(read('biome.json'));
    expect(config).toEqual(withImportRules(config));
  });

  it('is drawn in docs/design.md; npm run rooms draws it', () => {
    const page = read('docs/design.md');
    expect(page).toBe(withDrawing(page));
  });

  it('has every room once, and each imports only rooms above it', () => {
    const names = ROOMS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const [n, { name, imports }] of ROOMS.entries())
      for (const target of imports) {
        const room = isFile(target) && target.includes('/') ? posix.dirname(target) : target;
        expect(names.slice(0, n), `${name} imports ${target}`).toContain(room);
      }
  });
});

/** What Biome says about these files with the project's configuration, as `file:line message`. They stand outside of the tree. */
function lint(files: ReadonlyMap<string, string>): string[] {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lethe-rooms-')));
  try {
    const config = JSON.parse(read('biome.json'));
    writeFileSync(join(folder, 'biome.json'), JSON.stringify({ ...config, vcs: { enabled: false } }));
    for (const [file, text] of files) {
      mkdirSync(join(folder, dirname(file)), { recursive: true });
      writeFileSync(join(folder, file), text);
    }
    const args = ['lint', '--reporter=github', '--max-diagnostics=none', '--colors=off', 'src'];
    const ran = spawnSync(process.execPath, [resolve('node_modules/@biomejs/biome/bin/biome'), ...args], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1e8,
    });
    return ran.stdout
      .replaceAll(`${folder}/`, '')
      .split('\n')
      .map((line) =>
        /^::error title=lint\/style\/(?:noRestrictedImports|noProcessEnv),file=([^,]+),line=(\d+).*?::(.*)$/.exec(line),
      )
      .flatMap((found) => (found ? [`${found[1]}:${found[2]} ${found[3]}`] : []));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An import of a path below src or of a package, as a file writes it. */
function written(from: string, to: string): string {
  const path = posix.relative(posix.dirname(from), to);
  return `import '${path.startsWith('.') ? path : `./${path}`}';`;
}

describe("Biome, with the table's rules", () => {
  it('refuses exactly what the table forbids: each room in each, and each package', () => {
    const packages = [...new Set(PACKAGES.flatMap(({ names }) => names.map((name) => name.replace('/**', '/some'))))];
    const froms = [...ROOMS.map(({ name }) => fileOf(name)), 'mail/resend.ts', 'http/support/board.ts'];
    const expected: string[] = [];
    const files = new Map<string, string>();
    for (const from of froms) {
      const targets = ROOMS.map(({ name }) => fileOf(name)).filter((to) => to !== from);
      const lines = [
        ...[...targets, '../dev/stack.ts'].map((to) => ({ to, kind: 'file' as const, text: written(from, to) })),
        ...packages.map((to) => ({ to, kind: 'package' as const, text: `import '${to}';` })),
      ];
      files.set(`src/${from}`, lines.map(({ text }) => text).join('\n'));
      for (const [n, { to, kind }] of lines.entries())
        if (forbidden({ from, to, kind })) expected.push(`src/${from}:${n + 1}`);
    }
    expect(expected.length).toBeGreaterThan(500);
    const refused = lint(files);
    expect(refused.map((line) => line.split(' ')[0]).sort()).toEqual(expected.sort());
    for (const line of refused)
      expect(line).toMatch(
        /(imports only|imports no other room|may be imported only by).*: dev\/rooms\/rooms\.ts says so/,
      );
  });

  it('refuses every form of import, and process.env', () => {
    const lines = [
      "import { a } from '../http/app.ts';",
      "import type { b } from '../http/app.ts';",
      "export { c } from '../http/app.ts';",
      "export const d = await import('../http/app.ts');",
      "import { e } from 'hono';",
      "import { f } from 'hono/cors';",
      'export const g = process.env.LETHE_SECRET;',
    ];
    const refused = lint(new Map([['src/store/any.ts', lines.join('\n')]]));
    expect(refused.map((line) => line.split(' ')[0]).sort()).toEqual(lines.map((_, n) => `src/store/any.ts:${n + 1}`));
  });

  it('lets config.ts read the environment', () => {
    expect(lint(new Map([['src/config.ts', 'export const secret = process.env.LETHE_SECRET;\n']]))).toEqual([]);
  });
});
