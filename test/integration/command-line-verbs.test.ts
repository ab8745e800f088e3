import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordThroughput } from '../../src/erasure/model/throughput.ts';
import type { Resources } from '../../src/resources.ts';
import { application, CATALOG } from '../support/application.ts';
import { runVerb } from '../support/command-line.ts';
import { expectErased, rowsOf } from '../support/evidence.ts';
import { notificationIn } from '../support/notifications.ts';
import { stateOf } from '../support/progress.ts';
import { begin, request, run } from '../support/run-by-hand.ts';
import { erasuresOf, isFlagged, LARGE, SMALL, subject } from '../support/subject.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

let world: World;
let domain: Resources;
beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

type Options = Parameters<typeof runVerb>[2] & { env?: Record<string, string> };
const lethe = (args: string[], { env, ...options }: Options = {}) => runVerb({ ...world.env, ...env }, args, options);
/** One JSON document and nothing else. */
async function letheJson(args: string[], options: Options = {}) {
  const { code, out, err } = await lethe([...args, '--json'], options);
  expect(err).toBe('');
  return { code, body: JSON.parse(out) as Record<string, never> & { locations: Record<string, unknown>[] } };
}
const UNKNOWN = '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10';
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const STEERS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** A checksum of every table there is. */
async function all(): Promise<string> {
  const tables = await world.sql<{ name: string }[]>`
    SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema' ORDER BY 1`;
  expect(tables.map((t) => t.name)).toEqual(expect.arrayContaining(['lethe.erasure', 'lethe.catalog', 'public.posts']));
  const sums = tables.map(
    ({ name }) => `SELECT '${name} ' || md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM ${name} t`,
  );
  return JSON.stringify(await world.sql.unsafe(sums.join(' UNION ALL ')));
}

describe('lethe plan', () => {
  it('shows what is there, in the order in which it goes, and what a request then does; it changes nothing', async () => {
    const { account, before } = await subject(world.sql, 2500, 7);
    const env = { LETHE_CHUNK_ROWS: '1000', LETHE_UNDO_WINDOW: '3h' };
    // A catalog that no process has kept yet: a dry run must not keep it either.
    const file = join(world.folder, 'planned.yaml');
    writeFileSync(file, READER_CATALOG.replace('owner: identity', 'owner: sign-in'));
    const stored = await all();
    const { code, body } = await letheJson(['plan', account], { env: { ...env, LETHE_CATALOG: file } });
    const text = await lethe(['plan', account], { env: { ...env, LETHE_CATALOG: file } });
    expect(await all()).toBe(stored);
    expect(code).toBe(0);
    expect(body).toMatchObject({ accountId: account, mode: 'scheduled', onHold: false, erasure: null, rows: 2510 });
    expect(body.locations).toEqual([
      {
        name: 'posts',
        owner: 'reader',
        action: 'delete',
        stage: 0,
        rows: 2500,
        when: 'start',
        chunks: 3,
        estimatedMs: null,
      },
      {
        name: 'sessions',
        owner: 'sign-in',
        action: 'delete',
        stage: 0,
        rows: 2,
        when: 'request',
        chunks: 0,
        estimatedMs: null,
      },
      {
        name: 'feeds',
        owner: 'reader',
        action: 'delete',
        stage: 1,
        rows: 7,
        when: 'start',
        chunks: 2,
        estimatedMs: null,
      },
      {
        name: 'accounts',
        owner: 'lethe',
        action: 'delete',
        stage: 2,
        rows: 1,
        when: 'start',
        chunks: 0,
        estimatedMs: null,
      },
    ]);
    expect(Object.fromEntries(body.locations.map((l) => [l.name, l.rows]))).toEqual(before);
    expect(text.out).toMatch(/^Account \d+: what an erasure would do\. Nothing was changed\.\n/);
    expect(text.out).toMatch(/ 0 {2}posts {5}reader {3}delete {2}at start {4}2,500 {7}3 {2}not measured yet\n/);

    const api = await world.domain(env);
    const id = await request(api.ctx, account);
    const [row] = await world.sql`SELECT mode, starts_at FROM lethe.erasure WHERE id = ${id}`;
    expect([row?.mode, row?.starts_at.toISOString()]).toEqual([body.mode, body.startsAt]);
    await begin(api.ctx, account);
    await run(api.ctx, id);
    const planned = await world.sql`SELECT t.location AS name, t.rows_planned::int AS rows, count(c.*)::int AS chunks
      FROM lethe.task t JOIN lethe.chunk c ON c.task_id = t.id AND c.pass = 1 GROUP BY t.id ORDER BY 1`;
    expect([...planned]).toEqual([
      { name: 'feeds', rows: 7, chunks: 2 },
      { name: 'posts', rows: 2500, chunks: 3 },
    ]);
    await expectErased(world.sql, account, id, before);
  });

  it.each([
    [LARGE - 1, 'immediate'],
    [LARGE, 'scheduled'],
  ])('says of %i posts that the erasure would be %s, as the request then does', async (posts, mode) => {
    const { account } = await subject(world.sql, posts);
    const { body } = await letheJson(['plan', account]);
    expect(body).toMatchObject({ mode, startsAt: expect.stringMatching(/^\d{4}-.*Z$/) });
    const id = await request(domain.ctx, account);
    expect(await world.sql`SELECT mode FROM lethe.erasure WHERE id = ${id}`).toMatchObject([{ mode }]);
  });

  it('predicts from what was measured, and says so where an erasure is live', async () => {
    const { account } = await subject(world.sql, 2000, 10);
    const file = join(world.folder, 'in-time.yaml');
    writeFileSync(file, READER_CATALOG.replace('threshold: 1000', 'threshold: 1s'));
    const env = { LETHE_CHUNK_ROWS: '1000', LETHE_GLOBAL_CONCURRENCY: '2', LETHE_PACE: 'full', LETHE_CATALOG: file };
    const record = (location: string, rows: number, ms: number) => recordThroughput(domain.ctx.db, location, rows, ms);
    await world.sql`DELETE FROM lethe.throughput`;
    await record('posts', 1000, 10_000);
    await record('feeds', 100, 1000);
    const unfinished = await letheJson(['plan', account], { env });
    // Nothing was finished yet, so the whole is not known.
    expect(unfinished.body).toMatchObject({ mode: 'scheduled', estimatedMs: null });
    await record('accounts', 2010, 201);
    const { body } = await letheJson(['plan', account], { env });
    // 2,000 posts on two connections, ten feeds, and one last transaction.
    expect(body.locations.map((l) => l.estimatedMs)).toEqual([10_000, null, 50, 201]);
    expect(body.estimatedMs).toBe(10_251);
    await world.sql`DELETE FROM lethe.throughput`;
    const id = await request(domain.ctx, account);
    const live = await letheJson(['plan', account], { env });
    expect(live.body).toMatchObject({ mode: null, startsAt: null, erasure: { id, state: 'scheduled', held: null } });
    expect((await lethe(['plan', account])).out).toContain(
      `Start:  erasure ${id} is scheduled; asking again returns it`,
    );
  });

  it("shows the application's hold and the warnings of the catalog", async () => {
    const { file, schema } = await application(
      world,
      'ALTER TABLE accounts ADD kept boolean; DROP INDEX posts_feed_id_idx; INSERT INTO accounts VALUES (7000000007, 7, 7, NULL, NULL, true)',
      CATALOG.replace('flag: flag', 'flag: flag, hold: kept'),
    );
    const { body, code } = await letheJson(['plan', '007000000007'], { env: { LETHE_CATALOG: file } });
    expect(code).toBe(0);
    expect(body).toMatchObject({ accountId: '7000000007', onHold: true, mode: 'scheduled', rows: 1 });
    expect(body.warnings).toEqual([expect.stringContaining(`CREATE INDEX CONCURRENTLY ON ${schema}.posts (feed_id)`)]);
    const { out } = await lethe(['plan', '7000000007'], { env: { LETHE_CATALOG: file }, tty: true, colours: true });
    expect(out).toContain('the application holds the account');
    expect(out).toContain('\u001b[33m');
  });

  it.each<[string, string[], number, RegExp]>([
    ['an unknown account', ['plan', '99999999'], 1, /^lethe: not_found: there is no such account\n$/],
    ['an account id that is none', ['plan', 'ada'], 2, /^lethe: account: expected a whole number \(bigint\)\n$/],
    ['an account id that is too large', ['erase', '9'.repeat(30), '--yes'], 2, /^lethe: account: expected a whole/],
    ['an id that is none', ['replay', '7'], 2, /^lethe: 7: expected the id of an erasure .*lethe list shows them\n$/],
    ['an id or account that is none', ['status', 'x\u001b[2J'], 2, /^lethe: x: expected the id .* or an account: /],
    ['an unknown erasure', ['status', UNKNOWN], 1, /^lethe: not_found: there is no such erasure\n$/],
    ['an unknown erasure to hold', ['hold', UNKNOWN, '--reason', 'x'], 1, /^lethe: not_found: /],
    ['an unknown erasure to release', ['release', UNKNOWN], 1, /^lethe: not_found: /],
    ['an account without an erasure', ['status', '99999999'], 1, /^lethe: not_found: there is no erasure of this/],
    ['a hold without a reason', ['hold', UNKNOWN], 2, /^error: required option '--reason <text>'/],
    ['a hold with an empty reason', ['hold', UNKNOWN, '--reason', ' '], 2, /^lethe: --reason: expected 1 to 500/],
    [
      'a hold with escapes',
      ['hold', UNKNOWN, '--reason', 'a\u001b[2J'],
      2,
      /^lethe: --reason: .*control characters\n$/,
    ],
    ['a state that is none', ['list', '--state', 'lost'], 2, /Allowed choices are scheduled, running/],
    ['a limit that is none', ['list', '--limit', '0'], 2, /Expected a whole number from 1 to 1000/],
    ['an unknown verb of the catalog', ['catalog', 'mend'], 2, /unknown command 'mend'/],
  ])('refuses %s', async (_, args, code, err) => {
    const ran = await lethe(args);
    expect(ran).toEqual({ code, out: '', err: expect.stringMatching(err) });
    expect(ran.err).not.toMatch(STEERS);
  });
});

describe('every verb', () => {
  it.each([
    ['plan', 'lethe plan 4711'],
    ['erase', 'lethe erase 4711 --now'],
    ['status', 'lethe status 4711 --watch'],
    ['list', 'lethe list --state stalled'],
    ['start', `lethe start ${UNKNOWN}`],
    ['undo', `lethe undo ${UNKNOWN}`],
    ['hold', `lethe hold ${UNKNOWN} --reason`],
    ['release', `lethe release ${UNKNOWN}`],
    ['replay', `lethe replay ${UNKNOWN}`],
    ['catalog check', 'LETHE_CATALOG=catalog.yaml lethe catalog check'],
    ['catalog schema', 'lethe catalog schema > catalog.schema.json'],
  ])('%s has a help with an example', async (verb, example) => {
    const { code, out, err } = await lethe([...verb.split(' '), '--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain(`Example: ${example}`);
    expect(out).toContain('--json');
  });

  it('names what is missing in its environment, a line each, and needs nothing for mail', async () => {
    const env = { DATABASE_URL: '', LETHE_SECRET: '', LETHE_MAIL: '', LETHE_API_KEYS: '', LETHE_JWT_SECRET: '' };
    const { code, err } = await lethe(['status', '7'], { env });
    expect(code).toBe(2);
    expect(err.trimEnd().split('\n').sort()).toEqual([
      'lethe: DATABASE_URL: is required',
      'lethe: LETHE_SECRET: is required: a random text of 32 characters or more',
    ]);
  });
});

describe('lethe erase', () => {
  it('erases a small account at once, and says the same as the API', async () => {
    const { account, before } = await subject(world.sql, SMALL);
    const { code, body } = await letheJson(['erase', account, '--yes']);
    const id = String((await erasuresOf(world.sql, account))[0]?.id);
    expect(code).toBe(0);
    const times = { requestedAt: expect.any(String), startsAt: expect.any(String), dueAt: expect.any(String) };
    expect(body).toEqual({
      id,
      accountId: account,
      state: 'completed',
      signingOut: false,
      mode: 'immediate',
      ...times,
      completedAt: expect.any(String),
    });
    await expectErased(world.sql, account, id, before);
    const [row] = await world.sql`SELECT requested_by FROM lethe.erasure WHERE id = ${id}`;
    expect(row?.requested_by).toBe('cli');
  });

  it('asks on a terminal, and does nothing without a yes', async () => {
    const { account, before } = await subject(world.sql, SMALL);
    for (const typed of ['n\n', '\n', '']) {
      const no = await lethe(['erase', account], { typed, tty: true });
      expect(no).toMatchObject({ code: 1, out: '' });
      expect(no.err).toMatch(/^Erase account \d+ for good\? .*\[y\/N\] [\s\S]*lethe: nothing was erased\n$/);
    }
    expect(await lethe(['erase', account])).toEqual({
      code: 2,
      out: '',
      err: 'lethe: there is no terminal to ask on: add --yes to erase without a question\n',
    });
    expect(await rowsOf(world.sql, account)).toEqual(before);
    const yes = await lethe(['erase', account], { typed: 'yes\n', tty: true });
    expect(yes).toMatchObject({ code: 0, out: expect.stringMatching(/^Erasure {2}[\w-]{36}\nState {4}completed\n/) });
  });

  it('schedules a large one, returns it when asked again, and starts it with --now', async () => {
    const { account } = await subject(world.sql);
    const first = await letheJson(['erase', account, '--yes']);
    expect(first.body).toMatchObject({ state: 'scheduled', mode: 'scheduled' });
    const { id: mail } = await notificationIn(world.sql, String(first.body.id), 'received', 'pending');
    const mails = await domain.producers.queues.mail.getJobs();
    expect(mails.map((job) => job.data.notificationId)).toContain(mail);
    const again = await letheJson(['erase', account, '--yes']);
    expect(again.body).toEqual(first.body);
    const now = await lethe(['erase', account, '--yes', '--now']);
    expect(now).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/State {4}running\nStart/) });
    const [event] =
      await world.sql`SELECT data FROM lethe.event WHERE erasure_id = ${String(first.body.id)} AND type = 'erasure.running'`;
    expect(event?.data).toEqual({ from: 'scheduled', by: 'cli' });
    const waiting = await domain.producers.queues.erasures.getJobs();
    expect(waiting.map((job) => job.data.erasureId)).toContain(first.body.id);
  });

  it('does not end before Redis has what it has asked for', async () => {
    const { account } = await subject(world.sql);
    const redis = new URL(world.env.REDIS_URL as string);
    const far = await startTcpProxy(Number(redis.port), { delayMs: 100 });
    try {
      redis.port = String(far.port);
      const { body } = await letheJson(['erase', account, '--yes'], { env: { REDIS_URL: redis.href } });
      const { id: mail } = await notificationIn(world.sql, String(body.id), 'received', 'pending');
      const mails = await domain.producers.queues.mail.getJobs();
      expect(mails.map((job) => job.data.notificationId)).toContain(mail);
    } finally {
      await far.close();
    }
  });
});

describe('start and undo', () => {
  it('undo gives a scheduled one up, once and for all', async () => {
    const { account } = await subject(world.sql);
    const id = await request(domain.ctx, account);
    expect(await lethe(['undo', id])).toMatchObject({ code: 0, err: '', out: `Erasure ${id} is cancelled.\n` });
    expect(await isFlagged(world.sql, account)).toBe(false);
    expect(await lethe(['start', id])).toMatchObject({ code: 1, err: 'lethe: not_live: the erasure is cancelled\n' });
    const running = await begin(domain.ctx, (await subject(world.sql)).account);
    expect(await lethe(['undo', running])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^lethe: already_started: /),
    });
  });

  it('start skips the wait, but not a hold', async () => {
    const id = await request(domain.ctx, (await subject(world.sql)).account);
    await lethe(['hold', id, '--reason', 'x']);
    expect(await lethe(['start', id])).toMatchObject({
      code: 1,
      err: `lethe: on_hold: release it first: lethe release ${id}\n`,
    });
    await lethe(['release', id]);
    expect(await letheJson(['start', id])).toMatchObject({ code: 0, body: { id, state: 'running' } });
    const [event] = await world.sql`SELECT data FROM lethe.event WHERE erasure_id = ${id} AND type = 'erasure.running'`;
    expect(event?.data).toEqual({ from: 'scheduled', by: 'cli' });
  });

  it('a database that refuses is named with its variable, exit code 2', async () => {
    for (const [url, state] of [
      [world.url.replace(/[^/]+$/, 'nowhere'), '3D000'],
      [world.url.replace(/\/\/[^@]+@/, '//nobody:wrong@'), '28'],
    ] as const) {
      const { code, err } = await lethe(['list'], { env: { DATABASE_URL: url } });
      expect([code, err]).toEqual([
        2,
        expect.stringMatching(new RegExp(`^lethe: DATABASE_URL: the server refuses .*\\(${state}`)),
      ]);
    }
  });
});

describe('hold, release, replay and list', () => {
  it('hold an erasure and let it go on', async () => {
    const { account, before } = await subject(world.sql);
    const id = await begin(domain.ctx, account);
    const reason = 'case 7\u202e\u2066\n!';
    // What was stored before control characters were refused is shown without them all the same.
    await world.sql`UPDATE lethe.erasure SET requested_by = ${'\u001b]0;x\u0007 \u009b31m'} WHERE id = ${id}`;
    const held = await letheJson(['hold', id, '--reason', reason]);
    expect(held.body).toMatchObject({ id, state: 'running', held: { by: 'cli', reason } });
    expect(await lethe(['replay', id])).toMatchObject({
      code: 1,
      err: `lethe: on_hold: release it first: lethe release ${id}\n`,
    });
    for (const args of [
      ['status', id],
      ['status', account],
      ['list', '--held'],
      ['hold', id, '--reason', reason],
    ]) {
      for (const json of [[], ['--json']]) {
        const shown = await lethe([...args, ...json]);
        expect([shown.code, shown.out.length > 0, STEERS.exec(shown.out)]).toEqual([0, true, null]);
        expect(shown.out).toContain('cli');
      }
    }
    expect((await run(domain.ctx, id)).kind).toBe('superseded');
    expect(await lethe(['release', id])).toMatchObject({ code: 0, err: '', out: `Erasure ${id} is running.\n` });
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, account, id, before);
    const events =
      await world.sql`SELECT data->>'by' AS by FROM lethe.event WHERE erasure_id = ${id} AND type ~ 'held|released'`;
    expect(events.map((e) => e.by)).toEqual(['cli', 'cli', 'cli', 'cli']);
    expect(await lethe(['release', id])).toMatchObject({ code: 1, err: 'lethe: not_live: the erasure is completed\n' });
  });

  it('replay a stalled erasure, and no other', async () => {
    const { account } = await subject(world.sql);
    const id = await begin(domain.ctx, account);
    expect(await lethe(['replay', id])).toMatchObject({ code: 0, out: `Erasure ${id} is running.\n` });
    await world.sql`UPDATE lethe.erasure SET state = 'stalled' WHERE id = ${id}`;
    await world.sql`UPDATE lethe.task SET state = 'failed', last_error = ${'still_written: \u001b[2Jposts'} WHERE erasure_id = ${id} AND location = 'posts'`;
    const status = await lethe(['status', id]);
    expect(status).toMatchObject({ code: 1, err: '' });
    expect(status.out).toMatch(/posts: still_written: posts\n[\s\S]*lethe replay [\w-]{36}\n$/);
    expect(status.out).not.toMatch(STEERS);
    expect((await lethe(['status', id, '--watch'])).code).toBe(1);
    // The account has it already; it waits for an operator.
    expect((await letheJson(['erase', account, '--yes'])).code).toBe(1);
    expect(await letheJson(['replay', id])).toMatchObject({ code: 0, body: { id, state: 'running' } });
    const scheduled = await request(domain.ctx, (await subject(world.sql)).account);
    expect(await lethe(['replay', scheduled])).toMatchObject({
      code: 1,
      err: 'lethe: not_replayable: the erasure is scheduled; only a stalled one is replayed, or one whose account is gone\n',
    });
  });

  it('list pages through an account, also one that was scrubbed', async () => {
    const { account } = await subject(world.sql);
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) {
      const id = await request(domain.ctx, account);
      await world.sql`UPDATE lethe.erasure SET state = 'cancelled', cancelled_at = now() WHERE id = ${id}`;
      ids.unshift(id);
    }
    await world.sql`UPDATE lethe.erasure SET account_key = NULL, scrubbed_at = now() WHERE id = ${ids[1] ?? ''}`;
    const list = ['list', '--account', account, '--limit', '2', '--state', 'cancelled'];
    const { body } = await letheJson(list);
    const page = body as unknown as { erasures: { id: string }[]; nextCursor: string };
    expect(page.erasures.map((e) => e.id)).toEqual(ids.slice(0, 2));
    const rest = await letheJson([...list, '--cursor', page.nextCursor]);
    expect(rest.body).toMatchObject({ erasures: [{ id: ids[2], accountId: account, held: null }], nextCursor: null });
    const { out } = await lethe(list);
    expect(out).toContain(' scrubbed ');
    expect(out).toMatch(new RegExp(`More: add --cursor ${page.nextCursor}\n$`));
    expect((await lethe(['list', '--account', '99999999'])).out).toBe('No erasures.\n');
  });
});

describe('lethe status --watch', () => {
  it('shows bars on a terminal until the erasure is completed', async () => {
    const { account } = await subject(world.sql, 3000);
    const { body } = await letheJson(['erase', account, '--yes', '--now']);
    const id = String(body.id);
    const worker = await world.worker({ LETHE_CHUNK_ROWS: '500', LETHE_SLICE_TIME: '20ms' });
    const watched = await lethe(['status', id, '--watch'], { tty: true });
    await worker.stop();
    expect(watched).toMatchObject({ code: 0, err: '' });
    expect(watched.out).toMatch(/posts {4}\[█+\] 100 % 3,000 of 3,000/);
    expect(watched.out).toContain('completed  100 %');
    // The cursor was hidden, and is there again.
    expect(watched.out.lastIndexOf('\u001b[?25h')).toBeGreaterThan(watched.out.lastIndexOf('\u001b[?25l'));
  });

  it('writes a line for each change where it is piped, and JSON lines with --json', async () => {
    const { account } = await subject(world.sql);
    const id = await request(domain.ctx, account);
    const changes = ['scheduled', 'scheduled, on hold', 'cancelled'];
    for (const asJson of [false, true]) {
      await world.sql`UPDATE lethe.erasure SET state = 'scheduled', held_at = NULL WHERE id = ${id}`;
      let seen = 0;
      const onOutput = (out: string) => {
        const count = out.split('\n').length - 1;
        if (count === seen) return;
        seen = count;
        if (count === 1) void lethe(['hold', id, '--reason', 'x']);
        if (count === 2)
          void world.sql`UPDATE lethe.erasure SET state = 'cancelled', held_at = NULL WHERE id = ${id}`.execute();
      };
      const { code, out } = await lethe(['status', id, '--watch', ...(asJson ? ['--json'] : [])], { onOutput });
      expect(code).toBe(1);
      const lines = out.trimEnd().split('\n');
      expect(lines).toHaveLength(3);
      const shown = lines.map((line) => {
        if (!asJson) return /UTC {2}(\w+(, on hold)?)/.exec(line)?.[1];
        const { state, held } = JSON.parse(line) as { state: string; held: object | null };
        return held ? `${state}, on hold` : state;
      });
      expect(shown).toEqual(changes);
    }
  });
});

/** A process takes its time to start where others do too. */
const STARTING = 50_000;

describe('as a process', { timeout: 2 * STARTING }, () => {
  it('ends cleanly with Ctrl-C while it watches, and leaves the erasure alone', async () => {
    const id = await request(domain.ctx, (await subject(world.sql)).account);
    const watching = world.spawn(['status', id, '--watch']);
    await until('it watches', () => watching.output().includes('scheduled, starts'), STARTING);
    watching.child.kill('SIGINT');
    expect(await watching.exited).toBe(130);
    expect(watching.output().trimEnd().split('\n')).toHaveLength(1);
    expect(await stateOf(world.sql, id)).toBe('scheduled');
  });

  it('writes its document on standard output, and nothing else anywhere', async () => {
    const { account } = await subject(world.sql, SMALL);
    const erased = world.spawn(['erase', account, '--yes', '--json']);
    expect(await erased.exited).toBe(0);
    expect(JSON.parse(erased.output())).toMatchObject({ accountId: account, state: 'completed' });
  });
});

describe('without Redis', () => {
  const NOTE = 'lethe: note: Redis cannot be reached; a worker goes on with it within a minute\n';

  it('erase, release and replay succeed with a note', async () => {
    const env = { REDIS_URL: 'redis://127.0.0.1:1' };
    const { account } = await subject(world.sql);
    const erased = await lethe(['erase', account, '--yes', '--now'], { env });
    expect(erased).toMatchObject({ code: 0, err: NOTE });
    const id = String((await erasuresOf(world.sql, account))[0]?.id);
    const step = async () => Number((await world.sql`SELECT step FROM lethe.erasure WHERE id = ${id}`)[0]?.step);
    expect(await step()).toBe(1);
    expect((await lethe(['hold', id, '--reason', 'x'], { env })).err).toBe('');
    expect(await lethe(['release', id], { env })).toMatchObject({ code: 0, err: NOTE });
    expect(await step()).toBe(2);
    await world.sql`UPDATE lethe.erasure SET state = 'stalled' WHERE id = ${id}`;
    expect(await lethe(['replay', id], { env })).toMatchObject({ code: 0, err: NOTE });
    expect(await step()).toBe(3);
  });
});

describe('without Postgres', () => {
  it('fails in one line and two seconds, whether it refuses or says nothing', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await until('it listens', () => silent.listening);
    const mute = `postgres://nobody:hunter2@127.0.0.1:${(silent.address() as AddressInfo).port}/none`;
    for (const url of ['postgres://nobody:hunter2@127.0.0.1:1/none', mute]) {
      for (const args of [['list'], ['catalog', 'check']]) {
        const start = performance.now();
        const ran = await lethe(args, { env: { DATABASE_URL: url } });
        expect(ran).toMatchObject({
          code: 1,
          out: '',
          err: expect.stringMatching(/^lethe: database_unavailable: DATABASE_URL: .+\n$/),
        });
        expect(ran.err).not.toContain('hunter2');
        expect(performance.now() - start).toBeLessThan(5_000);
      }
    }
    silent.close();
  });
});

describe('with a catalog that does not fit any more', () => {
  it('status, list and hold work, and the others say why they do not', async () => {
    const { account } = await subject(world.sql);
    const id = await request(domain.ctx, account);
    const file = join(world.folder, 'unfit.yaml');
    writeFileSync(file, READER_CATALOG.replace('table: posts', 'table: postings'));
    const env = { LETHE_CATALOG: file };
    for (const args of [
      ['status', id],
      ['status', `00${account}`],
      ['list', '--account', account],
      ['hold', id, '--reason', 'x'],
    ])
      expect(await lethe(args, { env })).toMatchObject({ code: 0, err: '' });
    for (const args of [
      ['plan', account],
      ['erase', account, '--yes'],
      ['release', id],
    ]) {
      expect(await lethe(args, { env })).toEqual({
        code: 2,
        out: '',
        err: expect.stringMatching(/^lethe: catalog: public\.postings: there is no such table\n/),
      });
    }
  });
});
