import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAnswers } from '../../src/erasure/progress/answers.ts';
import { selectErasures } from '../../src/erasure/progress/list.ts';
import { MOST_LOOKED_AT, type TasksOf } from '../../src/erasure/progress/tasks-of.ts';
import { readWarehouse } from '../../src/erasure/progress/warehouse.ts';
import { NOTHING } from '../../src/erasure/watch/measured.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import type { Resources } from '../../src/resources.ts';
import { cookieOf } from '../support/dashboard.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

const PASSWORD = 'correct horse battery staple';
const HOSTILE = `<img src=x onerror="alert(1)">"'&{{ . }}`;
const PAGES = ['/admin/owners', '/admin/test-data'];

let world: World;
let domain: Resources;
let proxy: Awaited<ReturnType<typeof startTcpProxy>>;
let call: Call & { base: string };
let cookie: string;
beforeAll(async () => {
  world = await createWorld({ env: { LETHE_DASHBOARD_USERS: `sue=support=${await hashPassword(PASSWORD)}` } });
  domain = await world.domain();
  proxy = await startTcpProxy(Number(new URL(world.url).port));
  const url = new URL(world.url);
  url.port = String(proxy.port);
  call = await world.api({ DATABASE_URL: url.href });
  cookie = await cookieOf(call, 'sue', PASSWORD);
});
afterAll(async () => {
  await world?.close();
  await proxy?.close();
});

const get = (path: string) => call('GET', path, { auth: null, headers: { Cookie: cookie } });
const page = async (path: string) => {
  const { status, body } = await get(path);
  expect(status, path).toBe(200);
  return String(body.text);
};
type Given = Record<string, unknown>;
async function insert(change: Given = {}, task: Given = {}): Promise<{ id: string; task: string }> {
  const id = uuidv7();
  const now = new Date();
  const common = { account_key: id, mode: 'scheduled', starts_at: now, started_at: now, due_at: now };
  await world.sql`INSERT INTO lethe.erasure ${world.sql({ id, state: 'awaiting', catalog_digest: 'none', ...common, ...change })}`;
  const [row] = await world.sql`INSERT INTO lethe.task ${world.sql({
    erasure_id: id,
    location: 'billing',
    kind: 'http',
    action: 'delete',
    owner: 'finance',
    stage: 5,
    state: 'awaiting',
    due_at: new Date(now.getTime() + 3_600_000),
    ...task,
  })} RETURNING id`;
  return { id, task: String(row?.id) };
}
const cycle = (change: Given) =>
  world.sql`INSERT INTO lethe.canary ${world.sql({ id: uuidv7(), state: 'passed', finished_at: new Date(), ...change })}`;

describe('the pages that watch', () => {
  it('are kept by nobody, and may load nothing but their own', async () => {
    for (const path of PAGES) {
      const { headers, body } = await get(path);
      expect(headers.get('content-security-policy'), path).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self';/,
      );
      expect(headers.get('cache-control')).toBe('no-store');
      expect(body.text).not.toMatch(/<style|\sstyle=|javascript:|\son\w+=/);
      expect((await call('GET', path, { auth: null })).headers.get('location')).toBe('/admin/login');
    }
  });

  it('say that nobody has looked, and that the catalog has no test data', async () => {
    expect(await page('/admin/owners')).toContain('No worker has looked yet.');
    expect(await page('/admin/test-data')).toContain('The catalog has no canary');
  });

  it('escape whatever others have written', async () => {
    const measured = world.sql.json({ ...NOTHING, open: 1, late: 1, locations: [HOSTILE], words: [HOSTILE] } as never);
    const at = new Date();
    await world.sql`INSERT INTO lethe.owner ${world.sql({ name: HOSTILE, state: 'late', since: at, watched_at: at, measured })}`;
    const findings = world.sql.json([{ location: HOSTILE, words: HOSTILE }]);
    await cycle({
      state: 'failed',
      findings,
      planted: world.sql.json({ [HOSTILE]: 1 }),
      account_key: 'a-key-of-an-account',
    });
    for (const path of [...PAGES, `/admin/erasures?owner=${encodeURIComponent(HOSTILE)}&tasks=late`]) {
      const seen = await page(path);
      expect(seen, path).not.toContain('<img');
      expect(seen, path).toContain('&lt;img');
    }
    expect(await page('/admin/test-data')).not.toContain('a-key-of-an-account');
    const link = new URLSearchParams({ owner: HOSTILE, tasks: 'late' });
    expect(await page('/admin/owners')).toContain(`?${String(link).replaceAll('&', '&amp;')}"`);
    expect((await get('/admin/erasures?owner=%00%01&tasks=nothing')).status).toBe(200);
    await world.sql`DELETE FROM lethe.owner`;
    await world.sql`DELETE FROM lethe.canary`;
  });

  it('show the newest fifty of the test data', async () => {
    for (let n = 1; n <= 52; n++)
      await cycle({ created_at: new Date(Date.now() - n * 60_000), planted: world.sql.json({ posts: n }) });
    const seen = await page('/admin/test-data');
    expect(seen.match(/\d+ in <bdi>posts/g)).toEqual(Array.from({ length: 50 }, (_, n) => `${n + 1} in <bdi>posts`));
    await world.sql`DELETE FROM lethe.canary`;
  });

  it('say in words that the database is away', async () => {
    const measured = world.sql.json(NOTHING as never);
    const at = new Date();
    await world.sql`INSERT INTO lethe.owner ${world.sql({ name: 'reader', state: 'well', since: at, watched_at: at, measured })}`;
    proxy.cut();
    for (const path of PAGES) {
      const { status, body } = await get(path);
      expect(status, path).toBe(503);
      expect(body.text, path).toContain('The database could not be reached.');
    }
    proxy.open();
    await until('it is back', async () => (await get('/admin/owners')).status === 200);
    expect(await page('/admin/owners')).toContain('reader');
  });
});

describe('erasures with a task of an owner', () => {
  const found = async (which: TasksOf['which'], owner = 'finance') =>
    (await selectErasures(domain.ctx.db, { tasks: { owner, which } }, { limit: 100 })).map(({ id }) => id);

  it('are those whose task is open, late or failing', async () => {
    const past = new Date(Date.now() - 1_000);
    const open = await insert();
    const late = await insert({}, { due_at: past });
    const failed = await insert({ state: 'stalled' }, { state: 'failed' });
    const errs = await insert({ state: 'running' }, { state: 'running', last_error: 'contended: x' });
    const tried = await insert();
    const away = await insert({}, { location: 'away' });
    await world.sql`INSERT INTO lethe.partner (name, opened_at) VALUES ('away', now())`;
    for (const [of, attempts] of [
      [open, 2],
      [tried, 3],
    ] as const)
      await world.sql`INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, attempts, next_at)
        VALUES (${uuidv7()}, ${of.id}, ${of.task}, 'billing', 1, 'open', 1, ${attempts}, now())`;
    // None of these counts.
    await insert({}, { state: 'done', due_at: past });
    await insert({ state: 'completed' }, { due_at: past });
    await insert({ held_at: past, held_by: 'cli' }, { due_at: past });
    await insert({ canary: true }, { due_at: past });
    await insert({ state: 'running', started_at: null }, { due_at: past });
    await insert({}, { owner: 'reader', due_at: past });
    const ids = (...of: { id: string }[]) => of.map(({ id }) => id).reverse();
    expect(await found('open')).toEqual(ids(open, late, failed, errs, tried, away));
    expect(await found('late')).toEqual(ids(late));
    expect(await found('failing')).toEqual(ids(failed, errs, tried, away));
    expect(await found('open', 'nobody')).toEqual([]);
  });

  it('are sought among the oldest of each state, however many there are', async () => {
    await world.sql`
      INSERT INTO lethe.erasure (id, account_key, state, mode, requested_at, starts_at, started_at, due_at, catalog_digest)
      SELECT gen_random_uuid(), 'many ' || n, 'awaiting', 'scheduled', now(), now() + interval '1 day', now(), now(), 'none'
        FROM generate_series(1, 20000) n`;
    await world.sql`
      INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, state, due_at)
      SELECT id, 'mail', 'http', 'delete', 'mail', 5, 'awaiting', now() - interval '1 hour' FROM lethe.erasure
       WHERE account_key LIKE 'many %'`;
    await world.sql`VACUUM ANALYZE lethe.erasure, lethe.task`;
    expect(await found('late', 'mail')).toHaveLength(101);
    const { sql, params } = selectErasures(
      domain.ctx.db,
      { tasks: { owner: 'mail', which: 'late' } },
      { limit: 25 },
    ).toSQL();
    type Node = Record<string, unknown> & { Plans?: Node[] };
    const nodes = (plan: Node): Node[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];
    const [row] = await world.sql.unsafe(`EXPLAIN (ANALYZE, FORMAT JSON) ${sql}`, params as never[]);
    const plan = ((row?.['QUERY PLAN'] ?? []) as { Plan: Node }[]).flatMap((one) => nodes(one.Plan));
    for (const node of plan.filter((n) => n['Relation Name'])) {
      const read = Number(node['Actual Rows']) + Number(node['Rows Removed by Filter'] ?? 0);
      expect(node['Node Type']).not.toMatch(/Seq/);
      expect(read * (node['Relation Name'] === 'erasure' ? Number(node['Actual Loops']) : 1)).toBeLessThanOrEqual(
        MOST_LOOKED_AT,
      );
    }
  });
});

describe('what the line of tasks asks the database', () => {
  it('finds the day of the dataset by UTC, and whether it was written', async () => {
    const { db } = domain.ctx;
    const { id } = await insert({ state: 'completed' });
    expect(await readWarehouse(db, id)).toMatchObject({ erasedAt: null });
    // The last moment of a day in UTC is another day in most time zones.
    for (const at of ['2026-11-20T12:00:00Z', '2026-11-21T23:59:59.999Z'])
      await world.sql`INSERT INTO lethe.event (erasure_id, type, at) VALUES (${id}, 'account.erased', ${at})`;
    await world.sql`INSERT INTO lethe.event (erasure_id, type, at) VALUES (${id}, 'mail.sent', now())`;
    const erasedAt = new Date('2026-11-21T23:59:59.999Z');
    expect(await readWarehouse(db, id)).toEqual({ erasedAt, day: '2026-11-21', dayEnded: true, partition: null });
    const builtAt = new Date('2026-11-22T00:30:00Z');
    await world.sql`INSERT INTO lethe.dataset_partition (day, revision, rows, keys, built_at)
      VALUES ('2026-11-20', 9, 1, true, now()), ('2026-11-21', 2, 1, false, ${builtAt})`;
    expect((await readWarehouse(db, id)).partition).toEqual({ revision: 2, keys: false, builtAt });
    // One that was found not to be whole is to be built again.
    await world.sql`UPDATE lethe.dataset_partition SET whole = false`;
    expect((await readWarehouse(db, id)).partition).toBeNull();
    await world.sql`INSERT INTO lethe.event (erasure_id, type, at) VALUES (${id}, 'account.erased', now() + interval '1 minute')`;
    expect(await readWarehouse(db, id)).toMatchObject({ dayEnded: false, partition: null });
  });

  it('finds the last answer of each partner that has settled something', async () => {
    const { id, task } = await insert();
    const said = (minutes: number, words: string, settled: Date | null) => world.sql`
      INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, next_at, last_at, last_words, settled_at)
      VALUES (${uuidv7()}, ${id}, ${task}, 'billing', 1, ${settled ? 'done' : 'open'}, 1, ${settled ? null : new Date()},
              now() - ${minutes} * interval '1 minute', ${words}, ${settled})`;
    await said(5, 'the first', new Date());
    await said(3, 'the last', new Date());
    await said(1, 'not settled', null);
    expect((await readAnswers(domain.ctx.db, id)).get('billing')?.words).toBe('the last');
  });
});
