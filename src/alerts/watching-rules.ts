import type { DeclaredCanary, DeclaredDataset } from '../catalog/live/declared.ts';
import { durationWords, type Rule } from './rule.ts';

const DAY_MS = 86_400_000;

/** Alerts about the test data as a whole. It is missing when two cycles have passed and none has ended well. */
export function testDataRules({ every, wait, within }: DeclaredCanary): Rule[] {
  const patience = 2 * every + wait + within;
  return [
    {
      alert: 'LetheTestDataFailing',
      expr: 'max(lethe_canary_failing) > 0',
      severity: 'page',
      summary: 'The last test data was not erased as it should: accounts of users may not be, either',
      runbook: 'test-data-is-not-erased',
    },
    {
      alert: 'LetheTestDataMissing',
      expr: `time() - max(max_over_time(lethe_canary_last_passed_timestamp_seconds[10m])) > ${Math.ceil(patience / 1000)}`,
      for: '10m',
      severity: 'ticket',
      summary: `No test data has been planted and erased for ${durationWords(patience)}`,
      runbook: 'test-data-is-missing',
    },
    {
      alert: 'LetheTestDataNeverPassed',
      why: 'There is no time to compare with. A gap while another process takes the gauges over does not begin it anew.',
      expr: `absent_over_time(lethe_canary_last_passed_timestamp_seconds[1h])
  and on() max(max_over_time(lethe_erasures[1h])) >= 0`,
      for: durationWords(patience),
      severity: 'ticket',
      summary: `No test data has ever been planted and erased, for ${durationWords(patience)}`,
      runbook: 'test-data-is-missing',
    },
  ];
}

/**
 * Alerts about the dataset. The day that follows the newest one ends a day after it, and is due `sla` after its end, as
 * `dueAtOf` says.
 * Where no day was ever written, the oldest that is missing ended as many days ago as are missing, less one.
 */
export function datasetRules({ sla }: DeclaredDataset): Rule[] {
  return [
    {
      alert: 'LetheDatasetMissing',
      expr: `time() - max(lethe_dataset_last_day_timestamp_seconds) > ${(DAY_MS + sla) / 1000}
  or (max(lethe_dataset_days_missing) - 1) * 86400 > ${sla / 1000} unless on() max(lethe_dataset_last_day_timestamp_seconds)`,
      for: '10m',
      severity: 'page',
      summary: `A day of the dataset has been due since ${durationWords(sla)} after its end, and is not there`,
      runbook: 'a-day-of-the-dataset-is-missing',
    },
  ];
}
