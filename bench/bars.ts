import type { Bar, Extras, Result, Row } from './result.ts';

const MILLION = 1_000_000;
/** MiB. */
const MEMORY = 16;

/** The name of a size: `100 k`, `1 M`. */
export const sizeWords = (posts: number): string => (posts >= MILLION ? `${posts / MILLION} M` : `${posts / 1000} k`);

/**
 * What must hold, as ratios inside one run. Judged at a million posts, or at the largest size below it that was run.
 * What a run did not measure is left out, never counted as met.
 */
export function judge({ idle, contenders, extras }: Omit<Result, 'bars' | 'failed'>): Bar[] {
  const bars: Bar[] = [];
  const sizes = [...new Set(contenders.map((row) => row.posts))].sort((a, b) => a - b);
  const judged = sizes.filter((posts) => posts <= MILLION).at(-1) ?? Number.NaN;
  const row = (name: string, posts = judged): Row | undefined =>
    contenders.find((r) => r.name === name && r.posts === posts);
  const most = (name: string, value: number | null | undefined, limit: number) => {
    if (value !== undefined && value !== null && Number.isFinite(value))
      bars.push({ name, value, limit, holds: value <= limit });
  };
  const least = (name: string, value: number | undefined, limit: number) => {
    if (value !== undefined && Number.isFinite(value)) bars.push({ name, value, limit, holds: value >= limit });
  };
  const over = (a: number | null | undefined, b: number | null | undefined) =>
    a === undefined || a === null || b === undefined || b === null ? undefined : a / b;

  const at = sizeWords(judged);
  const [cascade, single, full, normal] = ['cascade', 'single', 'lethe-full-1', 'lethe-balanced-1'].map((n) => row(n));
  most(`whole erasure of ${at} at full pace / cascade`, over(full?.seconds.median, cascade?.seconds.median), 0.85);
  most(`posts stage of ${at} at full pace / one DELETE`, over(full?.postsSeconds, single?.seconds.median), 0.95);
  most(`probe p99 at default pace / idle, ${at}`, over(normal?.latency.p99, idle.p99), 4);
  most(`probe p99 at default pace / under the cascade, ${at}`, over(normal?.latency.p99, cascade?.latency.p99), 0.4);
  most(`whole erasure of ${at} at default pace / cascade`, over(normal?.seconds.median, cascade?.seconds.median), 1.5);

  const cost = (posts: number) => row('lethe-full-1', posts)?.microsecondsPerRow;
  most('cost per row, 1 M / 100 k', over(cost(MILLION), cost(100_000)), 1.1);
  most('cost per row, 10 M / 1 M', over(cost(10 * MILLION), cost(MILLION)), 1.1);
  const memory = (posts: number) => row('lethe-full-1', posts)?.workerMemory;
  const [large, small] = [memory(10 * MILLION), memory(MILLION)];
  most(
    'worker memory, 10 M over 1 M (MiB)',
    typeof large === 'number' && typeof small === 'number' ? large - small : null,
    MEMORY,
  );
  const ofRedis = contenders
    .filter((r) => r.name.startsWith('lethe-') && r.redisMemory !== null)
    .map((r) => r.redisMemory as number);
  if (ofRedis.length > 0) most('peak memory of Redis at any size (MiB)', Math.max(...ofRedis), MEMORY);

  most(
    '500 posts inside the request / bare transaction',
    over(extras.immediate?.requestMs, extras.immediate?.bareMs),
    2,
  );
  if (extras.beside)
    most(
      `2,000 posts while ${sizeWords(extras.beside.largePosts)} run / alone`,
      over(extras.beside.besideSeconds, extras.beside.aloneSeconds),
      3,
    );
  if (extras.crowd)
    least(
      `rows/s of ${extras.crowd.accounts.toLocaleString('en-US')} accounts of 2,000 posts / one of ${at}`,
      over(extras.crowd.rowsPerSecond, full?.rowsPerSecond),
      0.8,
    );
  least('status reads / bare route (requests/s)', over(extras.statusReads?.status, extras.statusReads?.bare), 0.5);
  least(
    `two worker processes / one, ${at} (rows/s)`,
    over(row('lethe-full-2')?.rowsPerSecond, full?.rowsPerSecond),
    0.95,
  );
  const { calls, hanging, recovery, publishing, replay } = extras.partners ?? {};
  least('partner calls, ledger committed / a bare loop', over(calls?.callsPerSecond, calls?.barePerSecond), 0.4);
  least('partner calls beside one that hangs / alone', over(hanging?.besidePerSecond, hanging?.alonePerSecond), 0.95);
  least(
    'publishing, marked in Postgres / bare XADD',
    over(publishing?.eventsPerSecond, publishing?.barePerSecond),
    0.5,
  );
  least('a million events again (a second)', replay?.perSecond, 5_000);
  if (replay) most('growth of Redis meanwhile (MiB)', replay.grownMiB, 16);
  if (recovery)
    most(
      `${recovery.tasks.toLocaleString('en-US')} waiting tasks after the partner's recovery (s)`,
      recovery.seconds,
      1.2 * (recovery.tasks / recovery.perSecond) + 30,
    );
  judgeWatching(extras.watching ?? {}, most);
  return bars;
}

type Most = (name: string, value: number | undefined, limit: number) => void;

function judgeWatching(
  { dataset = [], canary, scrapes, sabotage = [] }: NonNullable<Extras['watching']>,
  most: Most,
): void {
  const of = (rows: number) => dataset.find((run) => run.rows === rows);
  const [small, large] = [of(MILLION), of(10 * MILLION)];
  most('a day of 10 M erasures as a dataset (s)', large?.seconds, 180);
  most('its memory (MiB)', large?.memory, 400);
  if (small && large) most('a day of 10 M erasures / 1 M (s)', large.seconds / small.seconds, 11);
  if (canary) {
    most('rows of test data (%)', (100 * canary.rows) / canary.allRows, 0.5);
    most('calls of test data (%)', (100 * canary.calls) / canary.allCalls, 0.5);
  }
  if (scrapes) most(`messages to Postgres for ${scrapes.scrapes} scrapes`, scrapes.messages, 0);
  for (const { name, seconds, limit } of sabotage) most(`reported: ${name} (s)`, seconds, limit);
}
