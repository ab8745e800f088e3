import { afterAll, expect, it } from 'vitest';
import { startWorker } from '../../src/main.ts';
import { startService } from '../kinds/asked-http.ts';
import { accepted, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG } from '../support/world.ts';

const service = await startService(false);
const env = { ...service.env, LETHE_PRIVATE_HOSTS: '127.0.0.1' };
const world = await createWorld({ catalog: `${READER_CATALOG}  - ${service.entry}\n`, env });
afterAll(async () => {
  await world.close();
  await service.close();
});

it('the metrics tell of a partner that is away and comes back, by its name alone', async () => {
  const call = await world.api();
  // One process exports the gauges: this one.
  const worker = await startWorker(world.config('worker', { LETHE_METRICS_PORT: '0' }));
  const scrape = async () => (await fetch(`http://127.0.0.1:${worker.metricsPort}/metrics`)).text();
  const value = (text: string, series: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`lethe_${series}{`))
        ?.match(/ (\S+)$/)?.[1],
    );
  try {
    const mend = await service.fail();
    // One call has five failures in days. Six calls have them at once.
    const accounts: string[] = [];
    for (let n = 0; n < 6; n++) accounts.push((await subject(world.sql, SMALL)).account);
    for (const account of accounts) await accepted(call, account);
    const away = await until('the circuit is open', async () => {
      const text = await scrape();
      return value(text, 'partner_circuit_open') === 1 ? text : null;
    });
    expect(away).toContain('lethe_partner_calls_outstanding{partner="elsewhere"} 6');
    expect(value(away, 'partner_oldest_call_age_seconds')).toBeGreaterThan(0);
    expect(away).toMatch(/lethe_partner_calls_total\{partner="elsewhere",outcome="later"\} [5-9]/);
    expect(away).toMatch(/lethe_partner_call_seconds_count\{partner="elsewhere"\} [5-9]/);
    for (const line of away.split('\n').filter((of) => of.startsWith('lethe_partner')))
      expect(line).toMatch(/^lethe_partner_\w+\{(le="[^"]+",)?partner="elsewhere"(,outcome="\w+")?\} /);
    await mend();
    const back = await until('nothing is outstanding', async () => {
      const text = await scrape();
      return text.includes('lethe_partner_calls_outstanding{partner="elsewhere"} 0') ? text : null;
    });
    expect(value(back, 'partner_circuit_open')).toBe(0);
    expect(value(back, 'partner_oldest_call_age_seconds')).toBe(0);
    expect(back).toContain('lethe_partner_calls_total{partner="elsewhere",outcome="done"} 6');
  } finally {
    await worker.stop();
  }
}, 120_000);
