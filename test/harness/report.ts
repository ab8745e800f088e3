import type { Outcome } from './run.ts';
import { describeFault } from './schedule.ts';

/** What a failing run has to say: what was wrong, what it did, where its logs are, and how to repeat it. */
export function reportFailure({ seed, schedule, violations, logs }: Outcome, only: readonly string[] = []): string {
  return [
    ...violations.map((text) => `  violated: ${text}`),
    ...schedule.faults.map((planned) => `  fault: ${describeFault(planned)}`),
    `  options: ${Object.entries(schedule.options)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`,
    ...(logs ? [`  logs: ${logs}`] : []),
    `  repeat: npm run test:fault -- --seed ${seed} --runs 1${only.length > 0 ? ` --only ${only.join(',')}` : ''}`,
  ].join('\n');
}

/** What was not run anywhere, each once, with the reason. */
export function notRun(outcomes: readonly Outcome[]): string[] {
  return [...new Set(outcomes.flatMap((o) => o.notRun))].sort().map((what) => `not run: ${what}`);
}

/** The last line. */
export function summary(outcomes: readonly Outcome[]): string {
  const sum = (of: (o: Outcome) => number) => outcomes.reduce((n, o) => n + of(o), 0);
  const failed = outcomes.filter((o) => o.violations.length > 0);
  const seeds = failed.length > 0 ? ` (seeds ${failed.map((o) => o.seed).join(', ')})` : '';
  const counts = [`${outcomes.length} runs`, `${sum((o) => o.faults)} faults`, `${sum((o) => o.kills)} kills`];
  return `${counts.join(', ')}, ${failed.length} failures${seeds}`;
}
