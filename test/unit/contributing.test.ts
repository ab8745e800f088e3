import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';

const PAGES = ['CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'];
const read = (file: string) => readFileSync(file, 'utf8');
/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .trim()
    .replaceAll(' ', '-');
const anchorsOf = (page: string) =>
  [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading as string));

/** A path of which the file's name may hold a `*`. */
function exists(path: string): boolean {
  if (!path.includes('*')) return existsSync(path);
  const [before = '', after = ''] = posix.basename(path).split('*');
  return readdirSync(posix.dirname(path)).some((name) => name.startsWith(before) && name.endsWith(after));
}

describe('the pages for contributors', () => {
  it.each(PAGES)('README leads to %s', (page) => {
    expect(read('README.md')).toContain(`](${page})`);
  });

  it.each(PAGES)('%s links to pages and headings that exist', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)];
    expect(links.length).toBeGreaterThan(page === 'CHANGELOG.md' ? -1 : 1);
    for (const [, file, anchor] of links) {
      const target = file === '' ? page : (file as string);
      expect(existsSync(target), target).toBe(true);
      if (anchor) expect(anchorsOf(target), `${target}#${anchor}`).toContain(anchor);
    }
  });

  it('CONTRIBUTING names files that exist', () => {
    const paths = [...read('CONTRIBUTING.md').matchAll(/`((?:[\w.<>*-]+\/)*[\w.<>*-]+(?:\.\w+|\/))`/g)]
      .map(([, path]) => path as string)
      .filter((path) => path.includes('/') || existsSync(path));
    expect(paths.length).toBeGreaterThan(25);
    for (const path of paths) {
      // A name that whoever adds one chooses: its folder is there.
      const known = path.includes('<')
        ? path.slice(0, posix.dirname(path.slice(0, path.indexOf('<') + 1)).length)
        : path;
      expect(exists(known), path).toBe(true);
    }
  });

  it('CONTRIBUTING says how to add each thing, step by step', () => {
    const page = read('CONTRIBUTING.md');
    for (const thing of ['a kind', 'an outcome', 'a job', 'an error', 'a fault', 'a setting', 'a migration']) {
      const [, steps] = page.split(`## Add ${thing}\n`);
      expect(steps?.split('\n## ')[0], thing).toMatch(/\n1\. .*`[^`]+\/[^`]+`/);
    }
  });

  it('CHANGELOG has this version, and what is not released yet', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(read('CHANGELOG.md')).toMatch(
      new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - \\d{4}-\\d\\d-\\d\\d$`, 'm'),
    );
    expect(read('CHANGELOG.md')).toMatch(/^## \[Unreleased\]$/m);
  });
});
