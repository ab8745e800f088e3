import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseCatalog } from '../../src/catalog/load.ts';
import { runVerb } from '../support/command-line.ts';
import { commandsOf, PAGES, SNIPPETS, spansOf, wordsOf } from '../support/snippets.ts';

const { scripts, bin } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  scripts: Record<string, string>;
  bin: Record<string, string>;
};
const inLanguage = (language: string) => SNIPPETS.filter((snippet) => snippet.language === language);
/** A script, which a test runs as a whole. */
const looped = (text: string) => text.startsWith('while ');
const commands = inLanguage('sh').flatMap(({ place, text }) =>
  (looped(text) ? [] : commandsOf(text)).map((command) => ({ place, command, words: wordsOf(command) })),
);
const begins = (program: string) => commands.filter(({ words }) => words[0] === program);

/** The snippets that another test runs as they stand, by page and language. */
const RUN_BY: Record<string, string> = {
  'docs/dataset.md duckdb': 'test/integration/dataset.test.ts',
  'docs/dataset.md json': 'test/integration/dataset.test.ts',
  'docs/integrate.md js': 'test/integration/integrate.test.ts',
  'docs/operations.md acl': 'test/integration/redis-rights.test.ts',
  'docs/operations.md psql': 'test/integration/snippets.test.ts',
  'docs/operations.md sql': 'test/integration/sql-snippets.test.ts',
  'docs/partners.md bash': 'test/integration/partner-snippets.test.ts',
  'docs/partners.md json': 'test/integration/partner-snippets.test.ts',
  'docs/owners.md json': 'test/unit/owners.test.ts',
  'docs/test-data.md sql': 'test/integration/canary-plant.test.ts',
};

describe('the snippets of the pages', () => {
  it('are in a language that a test checks; what is only shown says so', () => {
    expect(SNIPPETS.length).toBeGreaterThan(15);
    const checked = ['sh', 'ts', 'yaml', 'mermaid', 'text'];
    const others = SNIPPETS.filter(({ language }) => !checked.includes(language));
    const places = others.map(({ file, language }) => `${file} ${language}`);
    expect([...new Set(places)].sort()).toEqual(Object.keys(RUN_BY).sort());
    for (const [snippet, test] of Object.entries(RUN_BY))
      expect(readFileSync(test, 'utf8')).toContain(
        snippet.endsWith(' acl') ? 'ACL SETUSER' : (snippet.split(' ')[1] as string),
      );
  });

  it('in TypeScript compile against the types of the package', () => {
    const folder = mkdtempSync('test/.snippets-');
    try {
      const found = inLanguage('ts');
      expect(found.length).toBeGreaterThan(0);
      for (const [n, { text }] of found.entries()) writeFileSync(`${folder}/snippet-${n}.ts`, text);
      const client = ['../../src/client/index.ts'];
      const compilerOptions = {
        moduleDetection: 'force',
        paths: { lethe: client, 'lethe/client': client, 'lethe/consumer': ['../../src/consumer/index.ts'] },
      };
      writeFileSync(
        `${folder}/tsconfig.json`,
        JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: ['*.ts'] }),
      );
      const ran = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', folder], { encoding: 'utf8' });
      expect(`${ran.stdout}${ran.stderr}`, found.map(({ place }, n) => `snippet-${n}: ${place}`).join('\n')).toBe('');
      expect(ran.status).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it.each(inLanguage('yaml'))('in YAML are a catalog that this version reads, or scraping: $place', ({ text }) => {
    if (!text.includes('locations:')) return expect(Object.keys(parse(text))).toEqual(['scrape_configs']);
    const lines = text.split('\n');
    const today = lines.filter((line) => !line.includes('⏳'));
    expect(parseCatalog(today.join('\n')).locations.length).toBeGreaterThan(0);
    for (const later of lines.filter((line) => line.includes('⏳')))
      expect(() => parseCatalog([...today, later].join('\n')), `works, and is still marked: ${later}`).toThrow();
  });

  it.each(inLanguage('mermaid'))('in Mermaid are a kind of diagram: $place', ({ text }) => {
    expect(text).toMatch(/^(flowchart|stateDiagram-v2|sequenceDiagram)\b/);
  });

  it('type only commands that a test looks at', () => {
    expect(commands.length).toBeGreaterThan(20);
    for (const { place, words } of commands)
      expect(['npm', 'curl', 'lethe', 'cp', 'docker', 'alias'], `${place}: ${words[0]}`).toContain(words[0]);
  });

  it('copy files that exist, and name services that compose has', () => {
    for (const { place, words } of begins('cp')) expect(existsSync(words[1] as string), place).toBe(true);
    const { services } = parse(readFileSync('docker-compose.yml', 'utf8')) as { services: object };
    for (const { place, command } of begins('docker')) {
      expect(command, place).toMatch(/^docker compose /);
      for (const [, name] of command.matchAll(/--scale (\w+)=/g))
        expect(services, place).toHaveProperty(name as string);
    }
    for (const { place, command } of begins('alias'))
      expect(command, place).toMatch(new RegExp(`^alias lethe='.* ${bin.lethe}'$`));
  });

  const typed = begins('npm').map(({ place, words }) => ({ place, words }));
  const mentioned = [...PAGES].flatMap(([place, page]) =>
    spansOf(page, 'npm').map((code) => ({ place, words: wordsOf(code) })),
  );

  it('run scripts of the package', () => {
    for (const { place, words } of [...typed, ...mentioned]) {
      const [, verb, name] = words;
      if (verb === 'run') expect(scripts, place).toHaveProperty([name as string]);
      else expect(['test', 'ci', 'install', 'i', 'pack'], `${place}: npm ${verb}`).toContain(verb);
    }
  });

  const withOptions = [...typed, ...mentioned].filter(({ words }) => words[1] === 'run' && words.includes('--'));
  it.each([...new Set(withOptions.map(({ words }) => words[2] as string))])(
    'give npm run %s options that it has',
    (script) => {
      const [, file] = /node (scripts\/[\w-]+\.mjs)/.exec(scripts[script] as string) ?? [];
      const [, main] = /'((?:test|bench|dev)\/[\w/-]+\.ts)'/.exec(readFileSync(file as string, 'utf8')) ?? [];
      const help = spawnSync(process.execPath, ['--import', 'tsx', main as string, '--help'], { encoding: 'utf8' });
      expect(help.stdout).toContain(`Usage: npm run ${script} --`);
      const given = withOptions.filter(({ words }) => words[2] === script).flatMap(({ words }) => words.slice(4));
      for (const option of given.filter((word) => word.startsWith('--')))
        expect(help.stdout).toMatch(new RegExp(` ${option}\\b`));
    },
  );
});

describe('the command line, where the pages mention it', () => {
  const mentioned = [...PAGES].flatMap(([place, page]) =>
    spansOf(page, 'lethe').map((code) => ({ place, words: wordsOf(code.split(/ [<>|…] /)[0] as string) })),
  );
  const all = [...mentioned, ...begins('lethe')];
  /** What takes no options, and runs until it is stopped or prints one thing. */
  const plain = ['api', 'worker', 'migrate', 'password', 'openapi'];
  /** What has verbs of its own. */
  const groups = ['catalog', 'partner', 'canary', 'dataset'];

  it('has the verbs and the options', async () => {
    expect(all.length).toBeGreaterThan(20);
    for (const { place, words } of all) {
      const [, verb, second] = words as [string, string, string?];
      if (verb.startsWith('--') || plain.includes(verb)) continue;
      const path = groups.includes(verb) && /^\w+$/.test(second ?? '') ? [verb, second as string] : [verb];
      const { out } = await runVerb({}, [...path, '--help']);
      expect(out, `${place}: ${words.join(' ')}`).toContain(`Usage: lethe ${path.join(' ')}`);
      for (const option of words.filter((word) => word.startsWith('--')))
        expect(out, `${place}: ${words.join(' ')}`).toMatch(new RegExp(` ${option}\\b`));
    }
  });
});
