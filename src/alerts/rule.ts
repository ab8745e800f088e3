/** What an alert asks for: `page` wakes somebody, `ticket` waits for the morning. */
export type Severity = 'page' | 'ticket';

/**
 * An alert of Prometheus. `expr` is PromQL. `summary` is a Go template: what a catalog says in it is escaped.
 * `runbook`: the heading's anchor in `docs/operations.md`. `why`: a comment. Labels are Go templates as well.
 */
export type Rule = {
  alert: string;
  why?: string;
  expr: string;
  for?: string;
  severity: Severity;
  labels?: Record<string, string>;
  summary: string;
  runbook: string;
};

const SECONDS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;

/** A duration as people write it: `36h`, `90s`. */
export function durationWords(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  const unit = (['d', 'h', 'm'] as const).find((one) => seconds > 0 && seconds % SECONDS[one] === 0) ?? 's';
  return `${seconds / SECONDS[unit]}${unit}`;
}
