import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { VARIABLES } from '../../src/config.ts';
import { ERRORS } from '../../src/errors.ts';
import { createMetrics } from '../../src/metrics.ts';

const page = readFileSync('docs/operations.md', 'utf8');
const alerts = parse(readFileSync('ops/alerts.yaml', 'utf8')) as {
  groups: { rules: { alert: string; expr: string; annotations: { summary: string; runbook: string } }[] }[];
};
const rules = alerts.groups.flatMap((group) => group.rules);
const metrics = await createMetrics({ defaults: true }).list();
const ofProcess = (name: string) => /^lethe_(process|nodejs)_/.test(name);
const names = metrics.map((m) => m.name).filter((name) => !ofProcess(name));
/** A histogram is read through its parts. */
const series = new Set(metrics.flatMap((m) => [m.name, `${m.name}_count`, `${m.name}_sum`, `${m.name}_bucket`]));
const headings = [...page.matchAll(/^#{2,4} (.*)$/gm)].map((m) => m[1] as string);
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/\s/g, '-');

describe('docs/operations.md', () => {
  it('has a heading for every error that stops an erasure for good, each with how one notices, what it means, and what to do', () => {
    const codes = Object.entries(ERRORS).filter(([, e]) => e.status >= 500 && e.retry === 'never');
    expect(codes.length).toBeGreaterThan(5);
    for (const [code] of [...codes, ['database_error']]) expect(headings, String(code)).toContain(code);
    const sections = (page.split('## When something goes wrong')[1] as string).split(/^#{3,4} /m).slice(1);
    expect(sections.length).toBeGreaterThan(15);
    for (const section of sections)
      for (const part of ['**Notice**', '**Means**', '**Do**']) expect(section, section.slice(0, 40)).toContain(part);
  });

  it('describes every metric with its type and labels, and no other', () => {
    const rows = [...page.matchAll(/^\| `(lethe_\w+)(?:\{([\w,]+)\})?` \| (\w+) \|/gm)];
    expect(rows.map((row) => row[1]).sort()).toEqual([...names].sort());
    for (const [, name, , type] of rows) expect(metrics.find((m) => m.name === name)?.type, name).toBe(type);
    for (const [name] of page.matchAll(/lethe_[a-z]+_[a-z_]+\b(?!\*)/g))
      if (!/^lethe_(migrations|owner)/.test(name) && !name.endsWith('_')) expect(series, name).toContain(name);
  });

  it('names only options that exist, and every alert', () => {
    for (const [name] of page.matchAll(/\bLETHE_[A-Z_]+\b/g)) expect(VARIABLES, name).toContain(name);
    for (const { alert } of rules) expect(page, alert).toMatch(new RegExp(`\`${alert}\``));
  });

  it('names only commands that exist, where it says what to type', () => {
    const verbs = [...readFileSync('src/cli/lethe.ts', 'utf8').matchAll(/^ {2}(\w+): async \(\) =>/gm)].map(
      (m) => m[1],
    );
    const typed = [...page.matchAll(/(?:^|`)lethe ([a-z]+)/gm)].map((m) => m[1]);
    expect(typed.length).toBeGreaterThan(10);
    for (const verb of typed) expect(verbs, verb).toContain(verb);
  });

  it('links to headings that exist', () => {
    const anchors = headings.map(anchor);
    for (const [, link] of page.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors, link).toContain(link);
  });
});

describe('ops/alerts.yaml', () => {
  it.each(rules)(
    '$alert asks for metrics that exist and names a paragraph that does',
    ({ alert, expr, annotations }) => {
      const asked = [...expr.matchAll(/\blethe_\w+/g)].map((m) => m[0]);
      expect(asked.length).toBeGreaterThan(0);
      for (const name of asked) expect(series, name).toContain(name);
      expect(alert).toMatch(/^Lethe[A-Z]\w+$/);
      expect(annotations.summary.length).toBeGreaterThan(10);
      const [file, to] = annotations.runbook.split('#') as [string, string];
      expect(file).toBe('docs/operations.md');
      expect(headings.map(anchor)).toContain(to);
    },
  );

  it('counts what is on hold only where it is compared with what runs', () => {
    const { expr } = rules.find((rule) => rule.alert === 'LetheNothingDeleted') ?? { expr: '' };
    const selected = [...expr.matchAll(/(lethe_erasures\w*)(\{[^}]*\})?/g)].map((m) => m.slice(1));
    expect(selected).toEqual([
      ['lethe_erasures', '{state="running"}'],
      ['lethe_erasures_held', '{state="running"}'],
    ]);
  });

  it('selects only labels that the metrics have', () => {
    for (const { expr } of rules)
      for (const [, name, selector] of expr.matchAll(/\b(lethe_\w+)\{([^}]*)\}/g))
        for (const [, label] of (selector as string).matchAll(/(\w+)\s*[!=]=?~?"/g))
          expect(page).toMatch(new RegExp(`\`${name?.replace(/_(count|sum|bucket)$/, '')}\\{[^}]*\\b${label}\\b`));
  });
});
