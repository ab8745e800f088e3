import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { freePort } from '../dev/free-port.ts';
import type { PostgresServer } from '../dev/postgres.ts';
import { sweepUp } from '../dev/reaper.ts';
import { withDeployment } from './deployed.ts';
import { startLyingStore } from './lying-store.ts';
import { type BenchPartner, SECRET, startPartner } from './partners.ts';
import type { Extras } from './result.ts';
import { canaryKey, canarySection, withWatching } from './watching-catalog.ts';

const EVERY_S = 60;
/** From a plant to the next, and a minute. */
const LIMIT_S = EVERY_S + 60;
const GIVE_UP_MS = 5 * 60_000;
/** A table that only the worker's catalog knows: the API erases small accounts by an older one. */
const NOTES = '  - { table: notes, account: account_id, owner: bench }\n';

type World = { sql: Sql; partner: BenchPartner; store: Awaited<ReturnType<typeof startLyingStore>> };
type Trick = {
  name: string;
  location: string;
  entries: (world: Omit<World, 'sql'>) => string;
  begin: ((world: World) => Promise<unknown>) | null;
};

const TRICKS: readonly Trick[] = [
  {
    name: 'a trigger keeps the rows',
    location: 'posts',
    entries: () => '',
    begin: ({ sql }) =>
      sql.unsafe(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keep BEFORE DELETE ON posts FOR EACH ROW EXECUTE FUNCTION keep()`),
  },
  {
    name: 'a partner says that it erases, and does not',
    location: 'search',
    entries: ({ partner: { url, canary } }) =>
      `  - { partner: search, owner: bench, sla: 72h, http: { url: "${url}", canary: "${canary}", secret: "env:BENCH_SECRET" } }\n`,
    begin: ({ partner }) => partner.be('keeps'),
  },
  {
    name: 'an object store says that it deletes, and does not',
    location: 'files',
    entries: ({ store }) =>
      `  - { partner: files, owner: bench, sla: 72h, s3: { bucket: ${store.bucket}, endpoint: "${store.url}", pathStyle: true, credentials: { key: "env:FILES_KEY", secret: "env:FILES_SECRET" }, prefix: "files/{account}/" } }\n`,
    begin: async ({ store }) => store.lie(),
  },
  {
    name: 'what erases skips a table',
    location: 'notes',
    entries: () => NOTES,
    begin: null,
  },
];

/** Seconds from each sabotage until the test data and the gauge of a worker say so. It begins once a cycle has passed, or with the worker. */
export async function measureSabotage(
  server: PostgresServer,
  say: (line: string) => void,
): Promise<NonNullable<NonNullable<Extras['watching']>['sabotage']>> {
  const found: NonNullable<NonNullable<Extras['watching']>['sabotage']> = [];
  for (const trick of TRICKS) {
    const seconds = await measureTrick(server, trick);
    say(`${trick.name}: reported after ${seconds.toFixed(1)} s`);
    found.push({ name: trick.name, seconds, limit: LIMIT_S });
  }
  return found;
}

/** The catalog of the API, which knows nothing of the notes. */
function olderCatalog(catalog: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-bench-'));
  sweepUp(folder);
  const older = join(folder, 'catalog.yaml');
  const ignored = 'ignore:\n  - { table: notes, reason: of an older version }\n';
  writeFileSync(older, `${readFileSync(catalog, 'utf8').replace(NOTES, '')}${ignored}`);
  return older;
}

async function measureTrick(server: PostgresServer, trick: Trick): Promise<number> {
  const partner = await startPartner();
  const store = await startLyingStore();
  const key = canaryKey();
  const metricsPort = await freePort();
  const entries = trick.entries({ partner, store });
  const isSkipped = entries === NOTES;
  const sections = canarySection({
    every: `${EVERY_S}s`,
    within: '30s',
    more: isSkipped ? ['INSERT INTO notes (account_id) VALUES ($account::bigint)'] : [],
  });
  const env = withWatching({ entries, sections });
  const older = isSkipped ? olderCatalog(env.LETHE_CATALOG as string) : undefined;
  const all = { ...env, ...key.env, ...store.env, BENCH_SECRET: SECRET, LETHE_API_KEYS: key.listed };
  try {
    const prepare = async (sql: Sql) => {
      await sql`CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL)`;
      await sql`CREATE INDEX ON notes (account_id)`;
    };
    return await withDeployment(
      server,
      'partners',
      0,
      { ...all, ...(older ? { LETHE_CATALOG: older } : {}) },
      async ({ sql, lethe }) => {
        await lethe.addWorker({
          ...(older ? { LETHE_CATALOG: env.LETHE_CATALOG as string } : {}),
          LETHE_CANARY_URL: lethe.base,
          LETHE_METRICS_PORT: String(metricsPort),
        });
        let begun = performance.now();
        await until('test data is erased', async () => {
          if (!trick.begin) return true;
          const last = await lastCycle(sql);
          if (last?.state === 'failed') throw new Error(`it was found before: ${JSON.stringify(last.findings)}`);
          return last !== undefined;
        });
        await trick.begin?.({ sql, partner, store });
        if (trick.begin) begun = performance.now();
        await until(`${trick.location} is reported`, async () => {
          const last = await lastCycle(sql);
          return last?.state === 'failed' && last.findings.some(({ location }) => location === trick.location);
        });
        await until('the gauge says so', async () =>
          /^lethe_canary_failing 1$/m.test(await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()),
        );
        return (performance.now() - begun) / 1000;
      },
      [],
      prepare,
    );
  } finally {
    await partner.stop();
    await store.close();
  }
}

async function lastCycle(sql: Sql) {
  const [row] = await sql<{ state: string; findings: { location: string; words: string }[] }[]>`
    SELECT state, findings FROM lethe.canary WHERE finished_at IS NOT NULL ORDER BY created_at DESC LIMIT 1`;
  return row;
}

async function until(what: string, is: () => Promise<boolean | undefined>): Promise<void> {
  for (const end = performance.now() + GIVE_UP_MS; !(await is()); await pause(200))
    if (performance.now() > end) throw new Error(`not within ${GIVE_UP_MS / 1000} s: ${what}`);
}
