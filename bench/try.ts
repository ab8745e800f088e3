import { readFileSync } from 'node:fs';
import { CONTENDERS } from './contenders.ts';
import { measure, measureIdle } from './measure.ts';
import { latencyOf } from './statistics.ts';
const [names, reps='1'] = process.argv.slice(2) as string[];
const base = readFileSync('/tmp/x/url', 'utf8');
const server: any = { url: (d = 'postgres') => base.replace('/X', '/' + d) };
const f = (l: any) => `p50 ${l.p50.toFixed(1)} p95 ${l.p95.toFixed(1)} p99 ${l.p99.toFixed(1)} max ${l.max.toFixed(1)} n ${l.n}`;
if (!names || names.includes('idle')) console.log('idle', f(latencyOf(await measureIdle(server, 'base', 6000))));
for (let i = 0; i < Number(reps); i++) for (const n of (names ?? '').split(',')) {
  const c = CONTENDERS.find((c) => c.name === n); if (!c) continue;
  const t = performance.now();
  const r = await measure(server, 'base', 'victim', c);
  console.log(c.name, r.seconds.toFixed(2), 's', r.rows, 'rows', f(latencyOf(r.latencies)), 'wal', (r.walBytes / 1e6).toFixed(0), 'MB mem', r.workerMemory, r.redisMemory?.toFixed(1), JSON.stringify(r.own), 'all', ((performance.now() - t) / 1000).toFixed(1));
}
process.exit(0);
