import type { Declaration } from '../catalog/live/declared.ts';
import { answerableOf, OPERATORS } from './answerable.ts';
import { templateText } from './escape.ts';
import { OVERALL_RULES } from './overall-rules.ts';
import { ownerRules } from './owner-rules.ts';
import type { Rule } from './rule.ts';
import { datasetRules, testDataRules } from './watching-rules.ts';
import { printYaml, type Yaml } from './yaml.ts';

const HEAD = `Prometheus rules, made from the catalog: lethe alerts prints them, and npm run ops writes these.
docs/alerts.md says what they mean, docs/operations.md what to do. The cluster's gauges come from one process
at a time, so max() ignores which one it was. Scrape every api and worker on LETHE_METRICS_PORT with job="lethe".`;

/** Rules of one owner. `owner` is null for the rules about erasures as a whole, which are the operators'. */
export type Group = { owner: string | null; rules: readonly Rule[] };

/** All rules of a catalog: those of the operators, and a group for each team. */
export function groupsOf(declared: Declaration): Group[] {
  const { canary, dataset } = declared;
  const teams = answerableOf(declared).map((team) => ({
    owner: team.owner,
    rules: [
      ...ownerRules(team, { testData: canary !== undefined }),
      ...(canary?.owner === team.owner ? testDataRules(canary) : []),
      ...(dataset?.owner === team.owner ? datasetRules(dataset) : []),
    ],
  }));
  return [{ owner: null, rules: OVERALL_RULES }, ...teams.filter(({ rules }) => rules.length > 0)];
}

/** The file of rules for Prometheus, as YAML. */
export function printRules(declared: Declaration): string {
  const contacts = new Map(answerableOf(declared).map(({ owner, contact }) => [owner, contact]));
  const groups = groupsOf(declared).map(({ owner, rules }) => ({
    name: owner === null ? 'lethe' : `lethe, owner ${owner}`,
    rules: rules.map((rule) => printable(rule, owner ?? OPERATORS, contacts.get(owner ?? OPERATORS))),
  }));
  return printYaml({ '#': HEAD, groups });
}

function printable(rule: Rule, owner: string, contact: string | undefined): Yaml {
  return {
    '#': rule.why,
    alert: rule.alert,
    expr: rule.expr,
    for: rule.for,
    labels: { severity: rule.severity, owner: templateText(owner), ...rule.labels } as { [label: string]: string },
    annotations: {
      summary: rule.summary,
      contact: contact === undefined ? undefined : templateText(contact),
      runbook: `docs/operations.md#${rule.runbook}`,
    },
  };
}
