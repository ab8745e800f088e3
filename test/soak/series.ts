import { FEWEST_POINTS, type Point, type Tolerance } from './trend.ts';

/** What is seen at one moment. */
export type Sample = {
  /** Seconds since the start. */
  at: number;
  /** `life` counts the starts of the process under this name; memory is resident, in MiB. */
  processes: { name: string; life: number; memory: number; files: number }[];
  /** Sessions by application_name. */
  connections: Record<string, number>;
  /** Null while Redis is away. `unfinished`: keys that do not belong to a job that has ended. */
  redis: { keys: number; unfinished: number; clients: number; megabytes: number } | null;
  /** Of schema lethe. */
  tables: { name: string; live: number; dead: number; kilobytes: number }[];
  erasures: { all: number; open: number };
  /** Jobs that have not ended; null while Redis is away. */
  jobs: number | null;
};

export type Series = {
  name: string;
  unit: string;
  /** All there is to draw. */
  points: Point[];
  /** Without the warm-up. */
  judged: Point[];
  tolerance: Tolerance;
};

/** Tables that have a row or a few: their size has nothing to grow with. */
const FEW_ROWS = new Set(['duty', 'pace', 'throughput', 'catalog']);
/** A process is not warm at its start, also when it starts in the middle of the run. */
const WARM_UP_OF_A_LIFE = 60;

/** Every series of a run that must stay flat from `warmUntil` (seconds) on, with what it may grow. */
export function seriesOf(samples: readonly Sample[], warmUntil: number): Series[] {
  const make = (
    name: string,
    unit: string,
    tolerance: Tolerance,
    value: (sample: Sample) => number | null | undefined,
    warm = warmUntil,
  ): Series => {
    const points = samples.flatMap((sample) => {
      const found = value(sample);
      return found === null || found === undefined ? [] : [{ at: sample.at, value: found }];
    });
    return { name, unit, points, judged: points.filter((point) => point.at >= warm), tolerance };
  };
  const names = (of: (sample: Sample) => string[]) => [...new Set(samples.flatMap(of))].sort();
  const table = (sample: Sample, name: string) => sample.tables.find((t) => t.name === name);

  const processes = longLives(samples, warmUntil).flatMap(({ name, life, warm }) => {
    const of = (sample: Sample) => sample.processes.find((p) => p.name === name && p.life === life);
    return [
      // The heap of a busy process wanders by some MiB; a leak of 50 KiB an erasure is 25 MiB after 500 of them.
      make(`${name} memory`, 'MiB', { absolute: 25, share: 0.2 }, (sample) => of(sample)?.memory, warm),
      make(`${name} files`, 'open', { absolute: 10, share: 0 }, (sample) => of(sample)?.files, warm),
    ];
  });
  const connections = names((sample) => Object.keys(sample.connections)).map((name) =>
    make(`${name} sessions`, 'open', { absolute: 5, share: 0 }, (sample) => sample.connections[name] ?? 0),
  );
  const tables = names((sample) => sample.tables.map((t) => t.name))
    .filter((name) => !FEW_ROWS.has(name))
    .map((name) =>
      // Finished erasures are kept as evidence: what must not grow is the size of each.
      make(`${name} size`, 'KiB/erasure', { absolute: 0.5, share: 0.2 }, (sample) =>
        sample.erasures.all > 0 ? (table(sample, name)?.kilobytes ?? 0) / sample.erasures.all : null,
      ),
    );
  return [
    ...processes,
    ...connections,
    make('Redis clients', 'open', { absolute: 10, share: 0 }, (sample) => sample.redis?.clients),
    make('Redis keys without ended jobs', 'keys', { absolute: 100, share: 0.2 }, (sample) => sample.redis?.unfinished),
    // A thousand ended jobs are kept in each queue, which is some MiB; flushed, it fills again.
    make('Redis memory', 'MiB', { absolute: 8, share: 0.2 }, (sample) => sample.redis?.megabytes),
    make('jobs that have not ended', 'jobs', { absolute: 50, share: 0.2 }, (sample) => sample.jobs),
    make('erasures that are open', 'erasures', { absolute: 10, share: 0.2 }, (sample) => sample.erasures.open),
    make('dead rows', 'of all rows', { absolute: 0.25, share: 0 }, ({ tables: all }) => {
      const kept = all.filter((t) => !FEW_ROWS.has(t.name));
      const dead = kept.reduce((sum, t) => sum + t.dead, 0);
      return dead / Math.max(1, dead + kept.reduce((sum, t) => sum + t.live, 0));
    }),
    ...tables,
    make('size of the tables with few rows', 'KiB', { absolute: 512, share: 0.2 }, ({ tables: all }) =>
      all.filter((t) => FEW_ROWS.has(t.name)).reduce((sum, t) => sum + t.kilobytes, 0),
    ),
  ];
}

/** For each process its longest life, where it lasts for a third of what is judged. */
function longLives(samples: readonly Sample[], warmUntil: number) {
  const lives = new Map<string, { name: string; life: number; first: number; last: number; n: number }>();
  for (const { at, processes } of samples)
    for (const { name, life } of processes) {
      const key = `${name} ${life}`;
      const known = lives.get(key) ?? { name, life, first: at, last: at, n: 0 };
      lives.set(key, { ...known, last: at, n: known.n + 1 });
    }
  const end = samples.at(-1)?.at ?? 0;
  const begun = samples[0]?.at ?? 0;
  const best = new Map<string, { name: string; life: number; warm: number; lasts: number }>();
  for (const { name, life, first, last, n } of lives.values()) {
    const warm = first === begun ? warmUntil : Math.max(warmUntil, first + WARM_UP_OF_A_LIFE);
    const lasts = last - warm;
    if (n < FEWEST_POINTS || lasts < (end - warmUntil) / 3 || lasts < (best.get(name)?.lasts ?? 0)) continue;
    best.set(name, { name, life, warm, lasts });
  }
  return [...best.values()].sort((a, b) => a.name.localeCompare(b.name));
}
