import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { opsFiles } from '../../dev/ops/files.ts';
import { answerableOf } from '../../src/alerts/answerable.ts';
import { dashboardOf } from '../../src/alerts/dashboard.ts';
import { matcher, promqlAnyOf, promqlText, templateText, titleText, yamlText } from '../../src/alerts/escape.ts';
import { JOBS_OF_QUEUE } from '../../src/alerts/overall-rules.ts';
import { printRoutes } from '../../src/alerts/routes.ts';
import { durationWords } from '../../src/alerts/rule.ts';
import { groupsOf, printRules } from '../../src/alerts/rules.ts';
import { printYaml } from '../../src/alerts/yaml.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import { JOBS } from '../../src/jobs/list/index.ts';
import { QUEUES } from '../../src/jobs/redis/queues.ts';
import { HOSTILE, PLAIN, watchedCatalog } from '../support/alert-catalog.ts';

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });

describe('a text of a catalog', () => {
  it.each([
    ['plain', '"plain"', 'plain', '"plain"'],
    ['say "hi"', '"say \\"hi\\""', 'say "hi"', '"say \\"hi\\""'],
    ['back\\slash', '"back\\\\slash"', 'back\\slash', '"back\\\\slash"'],
    ['two\nlines', '"two\\nlines"', 'two\nlines', '"two\\nlines"'],
    ['💥', '"💥"', '💥', '"💥"'],
    ['{{ $value }}', '"{{ \\u0024value }}"', '{{ "{" }}{{ "{" }} $value }}', '"{{ $value }}"'],
    ['ends with {', '"ends with {"', 'ends with {{ "{" }}', '"ends with {"'],
    ['[[x]]', '"\\u005b\\u005bx]]"', '[[x]]', '"[[x]]"'],
    ['\u202egnp', '"\\u202egnp"', '\u202egnp', '"\\u202egnp"'],
    ['\u0007\u0085', '"\\u0007\\u0085"', '\u0007\u0085', '"\\u0007\\u0085"'],
    ['\u{e0041}', '"\\U000e0041"', '\u{e0041}', '"\\U000e0041"'],
    ['half \ud800', '"half \ufffd"', 'half \ufffd', '"half \ufffd"'],
  ])('%j is escaped for PromQL, Go templates and YAML', (written, promql, template, yaml) => {
    expect({ promql: promqlText(written), template: templateText(written), yaml: yamlText(written) }).toEqual({
      promql,
      template,
      yaml,
    });
  });

  it.each([
    [['posts'], '"posts"'],
    [['a.b', 'c|d'], '"a\\\\.b|c\\\\|d"'],
    [['x*(y)+?'], '"x\\\\*\\\\(y\\\\)\\\\+\\\\?"'],
    [['^[a]{2}$'], '"\\\\^\\\\\\u005ba\\\\]\\\\{2\\\\}\\\\\\u0024"'],
    [['\\d "q"'], '"\\\\\\\\d \\"q\\""'],
  ])('%j is escaped for a regular expression of PromQL', (written, promql) => {
    expect(promqlAnyOf(written)).toBe(promql);
  });

  it.each([
    ['plain', 'owner="plain"'],
    ['a "b" \\ c\nd', 'owner="a \\"b\\" \\\\ c\\nd"'],
    ['{{ 💥 }}', 'owner="{{ 💥 }}"'],
  ])('%j is escaped for a matcher of Alertmanager', (written, expected) => {
    expect(matcher('owner', written)).toBe(expected);
  });

  it.each([
    ['costs $datasource', 'costs $\u2060datasource'],
    ['[[datasource]] and $x{}', '[\u2060[\u2060datasource]] and $\u2060x{}'],
  ])('%j is no variable in a title of Grafana', (written, expected) => {
    expect(titleText(written)).toBe(expected);
  });

  it('comes back from YAML as it was, whatever it is', () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(parse(printYaml({ a: one, list: [{ '#': 'a comment', b: other }, other], c: 1 }))).toEqual({
          a: one,
          list: [{ b: other }, other],
          c: 1,
        });
      }),
    );
  });
});

describe('what an owner answers for', () => {
  it('is its locations and partners, by the names that labels have', () => {
    expect(answerableOf(watchedCatalog(PLAIN))).toEqual([
      { owner: 'lethe', contact: undefined, listed: false, locations: [], partners: [] },
      { owner: 'reader', contact: '#reader', listed: true, locations: ['posts', 'search'], partners: ['search'] },
      { owner: 'other', contact: undefined, listed: false, locations: ['notes'], partners: [] },
      { owner: 'privacy', contact: undefined, listed: true, locations: [], partners: [] },
      { owner: 'warehouse', contact: undefined, listed: false, locations: [], partners: [] },
    ]);
  });

  it('is named by every alert, in a group of its own', () => {
    const { groups } = parse(printRules(watchedCatalog(PLAIN))) as {
      groups: { name: string; rules: { labels: { owner: string } }[] }[];
    };
    const owners = groups.map(({ name, rules }) => [name, [...new Set(rules.map(({ labels }) => labels.owner))]]);
    expect(owners).toEqual([
      ['lethe', ['lethe']],
      ['lethe, owner reader', ['reader']],
      ['lethe, owner other', ['other']],
      ['lethe, owner privacy', ['privacy']],
      ['lethe, owner warehouse', ['warehouse']],
    ]);
  });

  it('has alerts about test data and the dataset only where a catalog has them', () => {
    const { canary: _, dataset: __, ...plain } = watchedCatalog(PLAIN);
    const names = groupsOf(plain).flatMap(({ rules }) => rules.map(({ alert }) => alert));
    expect(names.filter((name) => /TestData|Dataset/.test(name))).toEqual([]);
    expect(JSON.stringify(dashboardOf(plain))).not.toMatch(/lethe_canary|lethe_dataset/);
    expect(JSON.stringify(dashboardOf(watchedCatalog(PLAIN)))).toMatch(/lethe_canary.*lethe_dataset/);
  });
});

describe('the dashboard', () => {
  it('has a row for each owner of locations, whose title is no variable, and panels that do not overlap', () => {
    type Placed = { id: number; type: string; title: string; gridPos: { x: number; y: number; w: number; h: number } };
    const panels = JSON.parse(JSON.stringify(dashboardOf(watchedCatalog(HOSTILE)))).panels as Placed[];
    const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toContain(titleText(`Owner ${HOSTILE.team} · ${HOSTILE.contact}`));
    expect(rows).toContain('Owner other');
    expect(rows.join()).not.toMatch(/\$[\w{]|\[\[/);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos } of panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(x, title).toBeLessThan(24);
          expect(taken.has(`${x},${y}`), title).toBe(false);
          taken.add(`${x},${y}`);
        }
  });
});

describe('ops/', () => {
  it.each(Object.entries(opsFiles(loadCatalog('catalog.yaml'))))(
    '%s is what the default catalog makes: npm run ops',
    (name, made) => {
      expect(readFileSync(`ops/${name}`, 'utf8')).toBe(made);
    },
  );
});

describe('a queue', () => {
  it('is watched by the jobs that it has', () => {
    const watched: Record<string, readonly string[]> = JOBS_OF_QUEUE;
    for (const queue of QUEUES)
      expect(watched[queue], queue).toEqual(JOBS.filter((job) => job.queue === queue).map(({ name }) => name));
  });
});

describe('durations', () => {
  it.each([
    [60_000, '1m'],
    [90_000, '90s'],
    [31 * 60_000, '31m'],
    [86_400_000, '1d'],
    [172_800_000, '2d'],
    [1, '1s'],
  ])('of %d ms are written as %s', (ms, words) => {
    expect(durationWords(ms)).toBe(words);
  });
});

describe('receivers', () => {
  it('are those of the owners with an entry, and one for all others', () => {
    const { receivers, route } = parse(printRoutes(watchedCatalog(HOSTILE)));
    expect(receivers.map(({ name }: { name: string }) => name)).toEqual([
      'lethe',
      `owner ${HOSTILE.team}`,
      `owner ${HOSTILE.tester}`,
    ]);
    expect(route.receiver).toBe('lethe');
    for (const { webhook_configs } of receivers)
      expect(webhook_configs[0].url).toMatch(/^http:\/\/receiver\.invalid\/[\w-]+$/);
  });
});
