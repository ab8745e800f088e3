import { describe, expect, it } from 'vitest';
import { ratioOf, type Signal } from '../../src/pace/pace.ts';
import type { Pressure } from '../../src/pace/pressure.ts';
import { Signals } from '../../src/pace/signals.ts';

const QUIET: Pressure = {
  lsn: 1000,
  replicas: [],
  waiting: 0,
  checkpoints: { requested: 0, timed: 0, walBytes: 100, warningSeconds: 30 },
  connections: { used: 10, usable: 100 },
  tables: [],
  naptimeSeconds: 60,
};
const started = () => new Signals({ replicaLagMs: 10_000 });
const find = (signals: Signal[], name: Signal['name']) => signals.find((s) => s.name === name) as Signal;

describe('a replica', () => {
  const replica = (signals: Signals, lsn: number, replayed: number | null, at: number, lag: number | null = null) =>
    find(signals.from({ ...QUIET, lsn, replicas: replayed === null ? null : [{ replayed, lag }] }, at), 'replica');

  it('that has everything is not behind, whatever the server measured last', () => {
    expect(replica(started(), 1000, 1000, 0, 99)).toMatchObject({ value: 0, limit: 10 });
  });

  it('that is stuck falls behind by a second a second, also when nothing more is written', () => {
    const signals = started();
    expect(replica(signals, 1000, 500, 0).value).toBe(0);
    expect(replica(signals, 2000, 500, 5_000).value).toBe(5);
    expect(replica(signals, 2000, 500, 12_000)).toMatchObject({ value: 12, words: 'replica 12 s behind' });
    expect(replica(signals, 2000, 1000, 13_000).value).toBe(8);
    expect(replica(signals, 2000, 2000, 14_000).value).toBe(0);
  });

  it('is as far behind as the server measured, when that is more', () => {
    expect(replica(started(), 1000, 999, 0, 4.5).value).toBe(4.5);
  });

  it('counts when it is the worst of several, and not when it cannot be seen', () => {
    const signals = started();
    signals.from(QUIET, 0);
    const both = [900, 1000].map((replayed) => ({ replayed, lag: null }));
    expect(find(signals.from({ ...QUIET, replicas: both }, 3_000), 'replica').value).toBe(3);
    expect(replica(signals, 1000, null, 4_000).value).toBeNull();
  });

  it('that was stuck for days costs no more memory, and is still as far behind', () => {
    const signals = started();
    for (let i = 0; i < 10_000; i++) replica(signals, 1000 + i, 500, i * 1000);
    expect(replica(signals, 20_000, 500, 10_000_000).value).toBe(10_000);
    expect(replica(signals, 20_000, 10_995, 10_000_000).value).toBeLessThan(100);
  });
});

describe('checkpoints', () => {
  const at = (signals: Signals, requested: number, lsn: number, seconds: number, timed = 0) =>
    find(
      signals.from({ ...QUIET, lsn, checkpoints: { ...QUIET.checkpoints, requested, timed } }, seconds * 1000),
      'checkpoints',
    );

  it('press when the log forces one soon after another, and less with every second without', () => {
    const signals = started();
    expect(at(signals, 7, 0, 0).value).toBe(0);
    expect(at(signals, 8, 100, 10).value).toBe(0);
    expect(at(signals, 9, 200, 20)).toMatchObject({ value: 3, words: 'checkpoints every 10 s', most: 4 });
    expect(at(signals, 9, 210, 30).value).toBe(3);
    expect(at(signals, 9, 210, 50).value).toBe(1);
    expect(at(signals, 9, 210, 80).value).toBe(0.5);
  });

  it('that were asked for do not: little was written since the one before, whichever kind that was', () => {
    const signals = started();
    at(signals, 0, 0, 0);
    for (let i = 1; i < 9; i++) expect(at(signals, i, i * 20, i).value).toBe(0);
    at(signals, 8, 500, 100, 1);
    expect(at(signals, 9, 510, 101, 1).value).toBe(0);
    expect(at(signals, 10, 520, 102, 1).value).toBe(0);
  });
});

describe('connections and waiting sessions', () => {
  const ratio = (used: number) =>
    ratioOf(find(started().from({ ...QUIET, connections: { used, usable: 100 } }, 0), 'connections'));

  it('press from 85 % of the connections on, three times over at 95 %', () => {
    expect([84, 85, 95].map((used) => (ratio(used) ?? 0) >= 1)).toEqual([false, true, true]);
    expect(ratio(95)).toBe(3);
    expect(ratio(120)).toBe(30);
    expect(ratio(78)).toBeLessThan(0.7);
  });

  it('press from one session on, in words', () => {
    const words = (waiting: number | null) => find(started().from({ ...QUIET, waiting }, 0), 'locks');
    expect(words(1)).toMatchObject({ value: 1, limit: 1, words: '1 session waits for Lethe’s locks' });
    expect(words(3).words).toBe('3 sessions wait for Lethe’s locks');
    expect(words(null).value).toBeNull();
  });
});

describe('vacuum', () => {
  const table = { name: 'public.posts', dead: 3_200_000, threshold: 800_000, vacuuming: false };
  const at = (signals: Signals, seconds: number, ...tables: Pressure['tables']) =>
    find(signals.from({ ...QUIET, tables }, seconds * 1000), 'vacuum');

  it('is behind when it had the time to come and did not', () => {
    const signals = started();
    expect(at(signals, 0, table).value).toBe(0);
    expect(at(signals, 60, table).value).toBe(0);
    expect(at(signals, 61, table)).toMatchObject({
      value: 2,
      most: 3,
      words: 'vacuum behind on public.posts (3.2 M dead rows)',
    });
    expect(at(signals, 62, { ...table, vacuuming: true }).value).toBe(0);
    expect(at(signals, 63, table).value).toBe(0);
  });

  it('is not behind on small tables, nor below twice what autovacuum waits for', () => {
    const signals = started();
    for (const seconds of [0, 100]) {
      expect(at(signals, seconds, { ...table, dead: 99_000, threshold: 50 }).value).toBe(0);
      expect(at(signals, seconds, { ...table, dead: 1_500_000 }).value).toBe(0);
    }
  });
});
