import { MOMENTS, type Moment } from './frames.ts';
import { type Random, randomFrom } from './random.ts';

/** When a fault happens: so long after the requests, or when a process sends its n-th such message. */
export type Trigger = { afterMs: number } | { moment: Moment; n: number; process: number };

/** A fault as it was drawn. `draw` is the seed of what it decides itself; `forMs`: how long it lasts, if it lasts. */
export type Planned = { fault: string; trigger: Trigger; forMs: number; draw: number };

export type Victim = { posts: number; feeds: number; startNow: boolean; askAfterMs: number };

/** All that a run does, drawn before it begins. */
export type Schedule = {
  seed: number;
  victims: Victim[];
  bystanders: number;
  workers: number;
  /** Workers of the next version, whose jobs hold a field more. */
  nextVersion: number;
  /** Between Lethe and Postgres stands PgBouncer, in transaction mode. */
  pooled: boolean;
  /** Data of the accounts is also in systems outside. */
  partners: boolean;
  /** A team is told, test data is planted, and the dataset is written: to a folder or a bucket. */
  watched: 'folder' | 'bucket' | null;
  cluster: 'single' | 'pair' | 'small';
  options: Record<string, string>;
  faults: Planned[];
};

/** What the schedule must know of a fault. */
export type Shape = {
  name: string;
  on: 'time' | 'wire';
  /** Where only some messages make sense. */
  moments?: readonly Moment[];
  cluster?: 'pair' | 'small';
  pooled?: boolean;
  partners?: boolean;
  watched?: boolean;
};

const SIZES = [20, 20, 900, 1_500, 6_000, 20_000];
/** About as many as a process sends while it has work. */
const MOST: Record<Moment, number> = { message: 600, statement: 150, commit: 40, delete: 20 };
const WINDOW_MS = 6_000;

/** The schedule of a seed. What the machine can do changes nothing in it: what it cannot is reported as not run. */
export function scheduleOf(seed: number, shapes: readonly Shape[]): Schedule {
  const random = randomFrom(seed);
  const victims = Array.from({ length: random.integer(2, 3) }, () => victim(random));
  // Without a larger one most faults would meet an erasure that is over.
  if (!victims.some((v) => v.posts >= 6_000)) victims[0] = { ...victim(random), posts: random.pick([6_000, 20_000]) };
  const workers = random.pick([1, 2, 2, 2, 4, 8]);
  const nextVersion = workers > 1 && random.chance(0.25) ? Math.floor(workers / 2) : 0;
  const chosen = choose(shapes, random);
  const faults = chosen.map((shape) => plan(shape, workers, random.fork()));
  const pooled = chosen.some((shape) => shape.pooled) || random.chance(0.15);
  const options = optionsOf(random);
  return {
    seed,
    victims,
    bystanders: 3,
    workers,
    nextVersion,
    pooled,
    partners: chosen.some((shape) => shape.partners) || random.chance(0.5),
    cluster: chosen.find((shape) => shape.cluster)?.cluster ?? 'single',
    options,
    faults,
    watched: chosen.some((shape) => shape.watched) || random.chance(0.4) ? random.pick(['folder', 'bucket']) : null,
  };
}

function victim(random: Random): Victim {
  return {
    posts: random.pick(SIZES),
    feeds: random.pick([2, 30, 120]),
    startNow: random.chance(0.7),
    askAfterMs: random.integer(0, 1_500),
  };
}

/** A few faults at once: one of each that needs servers of its own. */
function choose(shapes: readonly Shape[], random: Random): Shape[] {
  const chosen: Shape[] = [];
  const n = random.integer(3, 7);
  for (let i = 0; i < n; i++) {
    const shape = random.pick(shapes);
    if (shape.cluster && chosen.some((other) => other.cluster)) continue;
    chosen.push(shape);
  }
  return chosen;
}

function plan(shape: Shape, workers: number, random: Random): Planned {
  const moment = random.pick(shape.moments ?? MOMENTS);
  // Mostly a worker: they send most of the messages.
  const process = random.chance(0.25) ? 0 : random.integer(1, workers);
  const share = process === 0 ? 15 : random.pick([1, 2, 8]);
  const n = random.integer(1, Math.ceil(MOST[moment] / share));
  // Most of them early: what is over meets no fault.
  const afterMs = random.integer(0, random.pick([1_500, 3_000, WINDOW_MS]));
  return {
    fault: shape.name,
    trigger: shape.on === 'wire' ? { moment, n, process } : { afterMs },
    forMs: random.integer(300, 3_500),
    draw: random.integer(0, 2 ** 31 - 1),
  };
}

const optionsOf = (random: Random): Record<string, string> => ({
  LETHE_CHUNK_ROWS: String(random.pick([300, 500, 1_000, 2_000])),
  LETHE_SLICE_TIME: random.pick(['10ms', '20ms', '50ms']),
  LETHE_PACE: random.pick(['full', 'full', 'balanced', 'gentle']),
  LETHE_CONCURRENCY: String(random.pick([1, 2, 4])),
  LETHE_GLOBAL_CONCURRENCY: String(random.pick([1, 2, 4])),
  LETHE_SWEEP_CRON: `*/${random.pick([2, 3, 5])} * * * * *`,
});

/** One line a fault, as it is printed. */
export function describeFault({ fault, trigger, forMs }: Planned): string {
  const when =
    'afterMs' in trigger
      ? `after ${trigger.afterMs} ms`
      : `at ${trigger.process === 0 ? 'the API' : `worker ${trigger.process}`}'s ${trigger.moment} ${trigger.n}`;
  return `${fault} ${when}, for ${forMs} ms`;
}

/** The run in one line. */
export function describe(schedule: Schedule): string {
  const sizes = schedule.victims.map((v) => v.posts).join(', ');
  const next = schedule.nextVersion > 0 ? `, ${schedule.nextVersion} of them of the next version` : '';
  const pooled = schedule.pooled ? ', behind PgBouncer' : '';
  const partners = schedule.partners ? ', with partners' : '';
  const watched = schedule.watched ? `, watched, dataset in a ${schedule.watched}` : '';
  const names = schedule.faults.map((f) => f.fault).join(', ');
  return `accounts of ${sizes} posts; ${schedule.workers} worker(s)${next}${pooled}${partners}${watched}; ${names}`;
}
