import { FAULTS } from './faults.ts';
import { type Options, readOptions, seedOf } from './options.ts';
import { notRun, reportFailure, summary } from './report.ts';
import { type Outcome, run } from './run.ts';
import { describe, scheduleOf } from './schedule.ts';
import { findMissing, Servers } from './servers.ts';

let options: Options;
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  const { exitCode } = error as { exitCode?: number };
  process.exit(exitCode === 0 ? 0 : 2);
}

const chosen = FAULTS.filter((fault) => options.only.length === 0 || options.only.includes(fault.name));
// A small disk is unmounted when this process exits, which a signal by itself does not let it do.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));
const missing = findMissing();
const servers = new Servers();
const outcomes: Outcome[] = [];
const end = performance.now() + options.minutes * 60_000;
try {
  for (let n = 0; n < options.runs && performance.now() < end; n++) {
    const seed = seedOf(options, n);
    const schedule = scheduleOf(seed, chosen);
    console.log(`run ${n + 1}, seed ${seed}: ${describe(schedule)}`);
    const begun = performance.now();
    const outcome = await run(schedule, servers, missing);
    outcomes.push(outcome);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    const well = outcome.violations.length === 0;
    console.log(
      `run ${n + 1}, seed ${seed}: ${well ? 'ok' : 'FAILED'} after ${seconds} s, ${outcome.faults} faults, ${outcome.kills} kills`,
    );
    if (!well) console.log(reportFailure(outcome, options.only));
  }
} finally {
  await servers.close();
}
for (const line of notRun(outcomes)) console.log(line);
console.log(summary(outcomes));
process.exit(outcomes.some((o) => o.violations.length > 0) ? 1 : 0);
