import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dashboardOf } from '../../src/alerts/dashboard.ts';
import { printRoutes } from '../../src/alerts/routes.ts';
import { groupsOf, printRules } from '../../src/alerts/rules.ts';
import type { Declaration } from '../../src/catalog/live/declared.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import { createMetrics } from '../../src/metrics.ts';
import { HOSTILE, type Names, PLAIN, watchedCatalog } from '../support/alert-catalog.ts';
import { type Firing, firings, healthy, type Series } from '../support/alert-series.ts';
import { runVerb } from '../support/command-line.ts';
import { runTool, yamlJson } from '../support/promtool.ts';

const CATALOGS: [string, Names][] = [
  ['a plain catalog', PLAIN],
  ['a catalog of hostile names', HOSTILE],
];
const metrics = await createMetrics({ defaults: true }).list();
const series = new Set(metrics.flatMap((m) => [m.name, `${m.name}_count`, `${m.name}_sum`, `${m.name}_bucket`]));
/** Metrics that an expression asks for: without its strings, which may look like some. */
const asked = (expr: string) => expr.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/\blethe_\w+/g) ?? [];

const input = (of: Series) => Object.entries(of).map(([name, values]) => ({ series: name, values: values.trim() }));

/** One world of `promtool test rules`: the healthy one, and what of it is different. */
function world(names: Names, { alert, how, minutes, series: changed, missing, labels, summary, fires }: Firing) {
  const whole = Object.entries({ ...healthy(names), ...changed });
  const kept = whole.filter(([name]) => !missing?.some((gone) => name.startsWith(gone)));
  const rule = groupsOf(watchedCatalog(names))
    .flatMap(({ rules }) => rules)
    .find((one) => one.alert === alert);
  const contact = labels.owner === names.team ? { contact: names.contact } : {};
  const told = {
    exp_labels: labels,
    exp_annotations: { summary, ...contact, runbook: `docs/operations.md#${rule?.runbook}` },
  };
  return {
    name: how ? `${alert}: ${how}` : alert,
    interval: '1m',
    input_series: input(Object.fromEntries(kept)),
    alert_rule_test: [{ eval_time: `${minutes}m`, alertname: alert, exp_alerts: fires === false ? [] : [told] }],
  };
}

/** The rules of one alert, as they are printed: each test costs as much as there are rules. */
function cut(printed: string, alert: string): string {
  const rules = printed.split(/^(?= {6}- alert: )/m).map((rule) => rule.replace(/^ {2}- name: [\s\S]*/m, ''));
  const kept = rules.filter((rule) => rule.startsWith(`      - alert: ${alert}\n`));
  return `groups:\n  - name: cut\n    rules:\n${kept.join('')}`;
}

const inRules = (file: string, tests: readonly object[]) =>
  yamlJson({ rule_files: [file], evaluation_interval: '1m', tests });

describe.each(CATALOGS)('the rules of %s', (_, names) => {
  const declared = watchedCatalog(names);
  const rules = groupsOf(declared).flatMap((group) => group.rules);
  const all = firings(names);

  it('are rules to Prometheus', () => {
    const { status, output } = runTool('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', '$r.yaml'], {
      'r.yaml': printRules(declared),
    });
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining(`${rules.length} rules found`) });
  });

  it('each fire, say what they should, and keep quiet in what only looks alike', () => {
    const fired = new Set(all.filter(({ fires }) => fires !== false).map(({ alert }) => alert));
    expect([...fired].sort()).toEqual([...new Set(rules.map(({ alert }) => alert))].sort());
    const printed = printRules(declared);
    const files = [...fired].flatMap((alert, n) => {
      const tests = all.filter((firing) => firing.alert === alert).map((firing) => world(names, firing));
      return [
        [`rules${n}.yaml`, cut(printed, alert)] as const,
        [`test${n}.yaml`, inRules(`rules${n}.yaml`, tests)] as const,
      ];
    });
    const args = files.flatMap(([name]) => (name.startsWith('test') ? [`$${name}`] : []));
    const { status, output } = runTool('promtool', ['test', 'rules', ...args], Object.fromEntries(files));
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('SUCCESS') });
  });

  it('do not fire while all is well', () => {
    const quiet = [...new Set(rules.map(({ alert }) => alert))].flatMap((alertname) =>
      [10, 75].map((minutes) => ({ eval_time: `${minutes}m`, alertname, exp_alerts: [] })),
    );
    const world = { interval: '1m', input_series: input(healthy(names)), alert_rule_test: quiet };
    const files = { 'rules.yaml': printRules(declared), 'tests.yaml': inRules('rules.yaml', [world]) };
    const { status, output } = runTool('promtool', ['test', 'rules', '$tests.yaml'], files);
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('SUCCESS') });
  });

  it('ask only for metrics that are exported', () => {
    for (const { alert, expr } of rules) {
      expect(asked(expr).length, alert).toBeGreaterThan(0);
      for (const name of asked(expr)) expect(series, alert).toContain(name);
    }
  });
});

describe.each(CATALOGS)('the routes of %s', (_, names) => {
  const files = { 'a.yaml': printRoutes(watchedCatalog(names)) };
  const matcher = (owner: string) => `owner="${owner.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;

  it('are a configuration to Alertmanager', () => {
    const { status, output } = runTool('amtool', ['check-config', '$a.yaml'], files);
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining('3 receivers') });
  });

  it.each([
    ['an owner of locations that has an entry', names.team, `owner ${names.team}`],
    ['an owner of the test data that has an entry', names.tester, `owner ${names.tester}`],
    ['an owner without an entry', 'other', 'lethe'],
    ['the owner of the dataset, without an entry', names.warehouse, 'lethe'],
    ['the operators', 'lethe', 'lethe'],
    ['an owner that the catalog does not know', `${names.team}x`, 'lethe'],
  ])('lead %s to its receiver', (_, owner, receiver) => {
    const args = ['config', 'routes', 'test', '--config.file=$a.yaml', matcher(owner), 'alertname=LetheOwnerLate'];
    const { status, output } = runTool('amtool', args, files);
    expect({ status, output: output.trimEnd() }).toEqual({ status: 0, output: receiver });
  });
});

const DECLARED: [string, Declaration][] = [
  ['the default catalog', loadCatalog('catalog.yaml')],
  ...CATALOGS.map(([name, names]): [string, Declaration] => [name, watchedCatalog(names)]),
];

describe.each(DECLARED)('the dashboard of %s', (_, declared) => {
  type Shown = { title: string; targets?: { expr: string }[] };
  const panels = dashboardOf(declared).panels as Shown[];
  const exprs = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

  it('asks what Prometheus can read, and only for metrics that are exported', () => {
    expect(exprs.length).toBeGreaterThan(30);
    const recorded = exprs.map((expr, n) => ({ record: `panel:${n}`, expr }));
    const { status, output } = runTool('promtool', ['check', 'rules', '$r.yaml'], {
      'r.yaml': yamlJson({ groups: [{ name: 'panels', rules: recorded }] }),
    });
    expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining(`${exprs.length} rules found`) });
    for (const expr of exprs) {
      expect(asked(expr).length, expr).toBeGreaterThan(0);
      for (const name of asked(expr)) expect(series, expr).toContain(name);
    }
  });
});

describe('lethe alerts', () => {
  const lethe = (args: string[], catalog = 'catalog.yaml') => runVerb({ LETHE_CATALOG: catalog }, ['alerts', ...args]);

  it.each([
    [[], 'alerts.yaml'],
    [['--routes'], 'alertmanager.yaml'],
    [['--dashboard'], 'dashboard.json'],
  ])('%j prints %s, and needs nothing but the catalog', async (args, file) => {
    expect(await lethe(args)).toEqual({ code: 0, out: readFileSync(`ops/${file}`, 'utf8'), err: '' });
  });

  it.each([
    ['a catalog that is not there', [], 'nowhere.yaml', /^lethe: LETHE_CATALOG: cannot read nowhere\.yaml/],
    ['a catalog that is none', [], 'package.json', /^lethe: package\.json: /],
    ['two files at once', ['--routes', '--dashboard'], 'catalog.yaml', /^lethe: --routes and --dashboard are two/],
    ['an argument', ['reader'], 'catalog.yaml', /^error: too many arguments/],
  ])('refuses %s with exit code 2', async (_, args, catalog, words) => {
    const { code, out, err } = await lethe(args, catalog);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(words);
    if (catalog !== 'package.json') expect(err.trimEnd().split('\n').length).toBe(1);
  });
});
