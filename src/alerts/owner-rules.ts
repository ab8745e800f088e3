import type { Answerable } from './answerable.ts';
import { burningFast, burningSlow } from './burning.ts';
import { promqlAnyOf, promqlText, templateText } from './escape.ts';
import type { Rule } from './rule.ts';

/** The alerts of one team. A team without a location has none of them. */
export function ownerRules(of: Answerable, more: { testData: boolean }): Rule[] {
  if (of.locations.length === 0) return [];
  return [...deadlineRules(of), ...of.partners.map(circuitRule), ...(more.testData ? [leftRule(of)] : [])];
}

function deadlineRules({ owner, locations, partners }: Answerable): Rule[] {
  const name = templateText(owner);
  const now = (metric: string) => `max(lethe_owner_${metric}{owner=${promqlText(owner)}})`;
  const there = promqlAnyOf(locations);
  const used = now('deadline_used_ratio');
  const done = [
    `lethe_rows_deleted_total{location=~${there}}`,
    `lethe_chunks_finished_total{location=~${there}}`,
    ...(partners.length > 0
      ? [`lethe_partner_calls_total{partner=~${promqlAnyOf(partners)},outcome=~"done|accepted|more"}`]
      : []),
  ];
  return [
    {
      alert: 'LetheOwnerFailing',
      expr: `${now('tasks_failing')} > 0`,
      for: '15m',
      severity: 'ticket',
      summary: `{{ $value }} task(s) of ${name} fail`,
      runbook: 'an-owners-tasks-fail',
    },
    {
      alert: 'LetheOwnerLate',
      expr: `${now('tasks_late')} > 0`,
      for: '5m',
      severity: 'page',
      summary: `{{ $value }} task(s) of ${name} are past their deadline`,
      runbook: 'overdue',
    },
    {
      alert: 'LetheOwnerBurningFast',
      expr: burningFast({ used, failing: now('tasks_failing'), done }),
      for: '5m',
      severity: 'page',
      summary: `{{ $value | humanizePercentage }} of a deadline of ${name} are used, and nothing gets done`,
      runbook: 'a-deadline-burns',
    },
    {
      alert: 'LetheOwnerBurningSlow',
      expr: burningSlow({ used }),
      for: '5m',
      severity: 'ticket',
      summary: `{{ $value | humanizePercentage }} of a deadline of ${name} are used`,
      runbook: 'a-deadline-burns',
    },
  ];
}

function circuitRule(partner: string): Rule {
  const name = templateText(partner);
  return {
    alert: 'LethePartnerCircuitOpen',
    expr: `max(lethe_partner_circuit_open{partner=${promqlText(partner)}}) > 0`,
    for: '10m',
    severity: 'ticket',
    labels: { partner: name },
    summary: `${name} has not answered for ten minutes: calls wait, and one probes it`,
    runbook: 'a-partner-is-away-or-does-not-acknowledge',
  };
}

function leftRule({ owner, locations }: Answerable): Rule {
  return {
    alert: 'LetheTestDataLeft',
    expr: `max by (location) (lethe_canary_findings{location=~${promqlAnyOf(locations)}}) > 0`,
    severity: 'page',
    summary: `Test data was not erased from {{ $labels.location }}, for which ${templateText(owner)} answers`,
    runbook: 'test-data-is-not-erased',
  };
}
