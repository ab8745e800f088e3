import { Writable } from 'node:stream';
import { pino } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Api } from '../../src/http/app.ts';
import { createAssets } from '../../src/http/assets/assets.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { ANY, type Search } from '../../src/http/support/address.ts';
import { supportRoutes } from '../../src/http/support/routes.ts';
import { runSearch } from '../../src/http/support/search.ts';
import { createEnqueue } from '../../src/jobs/enqueue.ts';
import { connect } from '../../src/store/client.ts';
import { accountDigest, deriveToken } from '../../src/tokens.ts';
import { cookieOf } from '../support/dashboard.ts';
import { forgeCookie } from '../support/forge.ts';
import { stateOf } from '../support/progress.ts';
import { accepted, everything, expectProblem, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Answer, type Call, createWorld, SECRET, type World } from '../support/world.ts';

const PASSWORD = 'correct horse battery staple';
const LIST = '/admin/erasures';
const ACTIONS = ['replay', 'start', 'hold', 'release'] as const;
const HOSTILE = `<img src=x onerror="alert(1)">"'&`;
const ESCAPED = '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&quot;&#39;&amp;';

let world: World;
let call: Call & { base: string };
let users: string;
let cookies: Record<'support' | 'ops', string>;

beforeAll(async () => {
  const hash = await hashPassword(PASSWORD);
  users = `sue=support=${hash},otto=ops=${hash}`;
  world = await createWorld({ env: { LETHE_DASHBOARD_USERS: users } });
  call = await world.api();
  await until('it has reached Redis', async () => (await call('GET', '/readyz')).body.status === 'ok');
  cookies = { support: await cookieOf(call, 'sue', PASSWORD), ops: await cookieOf(call, 'otto', PASSWORD) };
});
afterAll(() => world?.close());

const get = (path: string, cookie: string | null = cookies.support, of: Call = call) =>
  of('GET', path, { auth: null, headers: cookie ? { Cookie: cookie } : {} });
const page = async (path: string, cookie = cookies.support, of: Call = call): Promise<string> => {
  const answer = await get(path, cookie, of);
  expect(answer.status, path).toBe(200);
  return String(answer.body.text);
};
/** The token that a sign-in's forms carry, as the page derives it. */
const tokenOf = (cookie: string, secret = SECRET) => {
  const [name, expires] = (/=([^.]*)\./.exec(decodeURIComponent(cookie))?.[1] ?? '').split('|');
  return deriveToken([secret], 'csrf', `${name}|${expires}`);
};
type Sent = { form?: Record<string, string>; headers?: Record<string, string>; cookie?: string | null };
function post(id: string, action: string, { form, headers, cookie = cookies.ops }: Sent = {}): Promise<Answer> {
  const fields = { csrf: cookie ? tokenOf(cookie) : '', reason: 'legal case 7', ...form };
  return call('POST', `${LIST}/${id}/${action}`, {
    auth: null,
    raw: new URLSearchParams(fields).toString(),
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      Origin: call.base,
      ...(cookie ? { Cookie: cookie } : {}),
      ...headers,
    },
  });
}
const tellsOf = (answer: Answer) => [answer.status, answer.headers.get('location')];
const scheduled = async () => {
  const { account } = await subject(world.sql);
  return { account, id: (await accepted(call, account)).id };
};
const lastEvent = async (id: string) =>
  (await world.sql`SELECT type, data FROM lethe.event WHERE erasure_id = ${id} ORDER BY id DESC LIMIT 1`)[0];

let made = 1000;
/** An erasure as it may have been left by others. */
async function insert(change: Record<string, unknown> = {}): Promise<string> {
  const key = String(change.account_key ?? ++made);
  const now = new Date();
  const row = {
    id: uuidv7(),
    account_key: key,
    account_digest: accountDigest([SECRET], key),
    state: 'completed',
    mode: 'scheduled',
    starts_at: now,
    due_at: new Date(now.getTime() + 86_400_000),
    catalog_digest: 'none',
    requested_by: 'account',
    ...change,
  };
  await world.sql`INSERT INTO lethe.erasure ${world.sql(row)}`;
  return row.id as string;
}
const idsOn = (html: string) =>
  [...html.matchAll(/<a class="id" href="\/admin\/erasures\/([\w-]+)"/g)].map((m) => m[1]);

describe('the state of those that wait for partners', () => {
  it('is on the list while there are any', async () => {
    expect(await page(LIST)).not.toMatch(/awaiting/i);
    expect(await page(`${LIST}?state=awaiting`)).toContain('<option value="awaiting" selected>');
    const tests = await insert({ state: 'awaiting', canary: true });
    const id = await insert({ state: 'awaiting' });
    // Test data is not counted, and the number leads to those that are.
    const [, path] = /href="([^"]+)"><b>1<\/b> awaiting partners/.exec(await page(LIST)) ?? [];
    expect(idsOn(await page(String(path).replaceAll('&amp;', '&')))).toEqual([id]);
    expect(idsOn(await page(LIST)).slice(0, 2)).toEqual([id, tests]);
    expect(await page(LIST)).toContain('<option value="awaiting" >');
    await world.sql`DELETE FROM lethe.erasure WHERE id IN (${id}, ${tests})`;
  });
});

describe('mails that wait for an operator', () => {
  it('are on the list with their cause, as long as they wait', async () => {
    const erasure_id = await insert();
    const mail = { id: uuidv7(), erasure_id, kind: 'completed', outcome: 'domain_not_verified', next_at: new Date() };
    await world.sql`INSERT INTO lethe.notification ${world.sql(mail)}`;
    const words = 'A mail waits: <bdi>the sender’s domain is not verified at the provider: LETHE_MAIL_FROM</bdi>.';
    expect(await page(LIST)).toContain(words);
    await world.sql`UPDATE lethe.notification SET state = 'sent' WHERE id = ${mail.id}`;
    expect(await page(LIST)).not.toContain('A mail waits');
  });
});

describe('who is let in', () => {
  it('is asked at the front door, and nobody else', async () => {
    const { id } = await scheduled();
    expect(tellsOf(await get('/admin', null))).toEqual([303, LIST]);
    for (const path of [LIST, `${LIST}?q=1`, `${LIST}/${id}`, `${LIST}/${id}/hold`])
      expect(tellsOf(await get(path, null)), path).toEqual([303, '/admin/login']);
    for (const action of ACTIONS) expectProblem(await post(id, action, { cookie: null }), 401, 'unauthenticated');
    const stale = forgeCookie(`otto|${Date.now() - 1}`, SECRET);
    expectProblem(await post(id, 'hold', { cookie: stale }), 401, 'unauthenticated');
  });

  it('support sees no button, and can do nothing', async () => {
    const { id } = await scheduled();
    const before = await everything(world.sql);
    const seen = await page(`${LIST}/${id}`);
    expect(seen).not.toMatch(/\/(hold|start|replay|release)"/);
    expect(await page(`${LIST}/${id}`, cookies.ops)).toContain(`href="${LIST}/${id}/hold"`);
    for (const action of ACTIONS) {
      expect((await get(`${LIST}/${id}/${action}`)).status).toBe(403);
      expectProblem(await post(id, action, { cookie: cookies.support }), 403, 'forbidden');
    }
    expect(await everything(world.sql)).toBe(before);
  });

  it.each<[string, () => Sent]>([
    ['without a token', () => ({ form: { csrf: '' } })],
    ['with another user’s token', () => ({ form: { csrf: tokenOf(cookies.support) } })],
    [
      'with the token of another sign-in',
      () => ({ form: { csrf: tokenOf(forgeCookie(`otto|${Date.now() + 60_000}`, SECRET)) } }),
    ],
    ['with a token of another secret', () => ({ form: { csrf: tokenOf(cookies.ops, 'x'.repeat(40)) } })],
    ['from another site', () => ({ headers: { Origin: 'https://evil.test', 'Sec-Fetch-Site': 'cross-site' } })],
    [
      'from the same site, another port',
      () => ({ headers: { Origin: 'http://127.0.0.1:1', 'Sec-Fetch-Site': 'same-site' } }),
    ],
    ['with an origin that is hidden', () => ({ headers: { Origin: 'null' } })],
    ['as text that is no form', () => ({ headers: { 'Content-Type': 'application/json' } })],
  ])('a form %s is refused', async (_, sent) => {
    const { id } = await scheduled();
    expectProblem(await post(id, 'hold', sent()), 403, 'forbidden');
    expect((await world.sql`SELECT held_at FROM lethe.erasure WHERE id = ${id}`)[0]?.held_at).toBeNull();
  });

  it('a form from the public address is taken, although the request names the one behind the proxy', async () => {
    const { id } = await scheduled();
    const answer = await post(id, 'hold', { headers: { Origin: 'http://lethe.test' } });
    expect(tellsOf(answer)).toEqual([303, `${LIST}/${id}?notice=hold`]);
  });

  it('every page is kept by nobody and may load nothing but its own', async () => {
    const { id } = await scheduled();
    for (const path of [LIST, `${LIST}/${id}`, `${LIST}/${id}/hold`, `${LIST}/${uuidv7()}`]) {
      const { headers, body } = await get(path, cookies.ops);
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('referrer-policy')).toBe('same-origin');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(body.text).not.toMatch(
        /<style|\sstyle=|<script(?! type="module" src="\/assets\/support\.js)|javascript:|\son\w+=/,
      );
    }
    expect((await get('/admin/queues')).headers.get('content-security-policy')).toContain("'unsafe-inline'");
    const asset = /\/assets\/support\.css\?v=[\w-]+/.exec(await page(LIST))?.[0] as string;
    expect((await get(asset, null)).headers.get('content-type')).toContain('text/css');
  });
});

describe('what ops can do', () => {
  it('hold with a reason, and release', async () => {
    const { id } = await scheduled();
    const reason = `  ${HOSTILE}\r\nline two  `;
    expect(tellsOf(await post(id, 'hold', { form: { reason } }))).toEqual([303, `${LIST}/${id}?notice=hold`]);
    const [held] = await world.sql`SELECT held_by, hold_reason FROM lethe.erasure WHERE id = ${id}`;
    expect(held).toEqual({ held_by: 'user:otto', hold_reason: `${HOSTILE}\nline two` });
    expect(await lastEvent(id)).toEqual({
      type: 'erasure.held',
      data: { by: 'user:otto', reason: `${HOSTILE}\nline two` },
    });
    const seen = await page(`${LIST}/${id}?notice=hold`, cookies.ops);
    expect(seen).toContain(`${ESCAPED}\nline two`);
    expect(seen).toContain('On hold. Nothing more is deleted');
    expect(seen).not.toContain(`${id}/start"`);
    expect(tellsOf(await post(id, 'start'))).toEqual([303, `${LIST}/${id}?notice=unfit`]);

    expect(tellsOf(await post(id, 'release'))).toEqual([303, `${LIST}/${id}?notice=release`]);
    expect(await lastEvent(id)).toEqual({ type: 'erasure.released', data: { by: 'user:otto' } });
    expect(await stateOf(world.sql, id)).toBe('scheduled');
  });

  it.each([
    ['none', ''],
    ['blanks', ' \n\t '],
    ['501 characters', 'x'.repeat(501)],
    ['10 kB', 'x'.repeat(10_000)],
    ['2 kB of markup', HOSTILE.repeat(50)],
    ['a zero byte', 'a\0b'],
    ['an escape', 'a\u001b[2Jb'],
  ])('not hold with a reason of %s', async (_, reason) => {
    const { id } = await scheduled();
    const answer = await post(id, 'hold', { form: { reason } });
    expect(answer.status).toBe(422);
    expect(answer.body.text).toContain('role="alert"');
    expect(answer.body.text).not.toContain('<img');
    const [row] = await world.sql`SELECT held_at, hold_reason FROM lethe.erasure WHERE id = ${id}`;
    expect(row).toEqual({ held_at: null, hold_reason: null });
    expect((await post(id, 'hold', { form: { reason: 'x'.repeat(500) } })).status).toBe(303);
  });

  it('start now, and replay what has stalled: both reach the queues', async () => {
    const { id } = await scheduled();
    expect(tellsOf(await post(id, 'start'))).toEqual([303, `${LIST}/${id}?notice=start`]);
    expect(await lastEvent(id)).toEqual({ type: 'erasure.running', data: { from: 'scheduled', by: 'user:otto' } });
    const job = async () => {
      const [row] = await world.sql`SELECT job_id FROM lethe.erasure WHERE id = ${id}`;
      return get(`/admin/queues/api/queues/erasures/${row?.job_id}`);
    };
    expect((await job()).body).toMatchObject({ job: { data: { erasureId: id, step: 1 } } });

    await world.sql`UPDATE lethe.erasure SET state = 'stalled', retry_at = now() + interval '1 hour' WHERE id = ${id}`;
    await world.sql`UPDATE lethe.task SET state = 'failed', last_error = 'still_written: rows' WHERE erasure_id = ${id}`;
    expect(tellsOf(await post(id, 'replay'))).toEqual([303, `${LIST}/${id}?notice=replay`]);
    expect(await lastEvent(id)).toEqual({ type: 'erasure.running', data: { from: 'stalled', by: 'user:otto' } });
    expect((await job()).body).toMatchObject({ job: { data: { erasureId: id, step: 2 } } });
    expect(tellsOf(await post(id, 'replay'))).toEqual([303, `${LIST}/${id}?notice=unfit`]);
  });

  it('nothing to what is final, held or not there', async () => {
    const done = await insert();
    const stopped = await insert({ state: 'stalled', held_at: new Date(), held_by: 'cli' });
    const before = await everything(world.sql);
    for (const action of ACTIONS) {
      expect(tellsOf(await post(done, action))).toEqual([303, `${LIST}/${done}?notice=unfit`]);
      expect(tellsOf(await get(`${LIST}/${done}/${action}`, cookies.ops))).toEqual([
        303,
        `${LIST}/${done}?notice=unfit`,
      ]);
      expectProblem(await post(uuidv7(), action), 404, 'not_found');
    }
    expect(tellsOf(await post(stopped, 'replay'))).toEqual([303, `${LIST}/${stopped}?notice=unfit`]);
    expectProblem(await post(done, 'obliterate'), 404, 'not_found');
    expect(await everything(world.sql)).toBe(before);
    for (const id of [uuidv7(), 'x', '%00', "'", '__proto__']) {
      const answer = await get(`${LIST}/${id}`);
      expect(answer.status, id).toBe(404);
      expect(answer.body.text).toContain('There is no such erasure.');
    }
  });

  it('leaves a line that says who did what to which erasure, and nothing else', async () => {
    const { id, account } = await scheduled();
    const lines: string[] = [];
    const log = pino(new Writable({ write: (chunk, _, done) => done(void lines.push(String(chunk))) }));
    const { ctx, producers } = await world.domain();
    const config = world.config('api');
    const api = { ctx: { ...ctx, log }, config, producers, enqueue: createEnqueue(producers, log) };
    const routes = supportRoutes(api as unknown as Api, createAssets(config));
    const answer = await routes.request(`/${id}/hold`, {
      method: 'POST',
      body: new URLSearchParams({ csrf: tokenOf(cookies.ops), reason: 'a secret reason' }),
      headers: { Cookie: cookies.ops, 'Sec-Fetch-Site': 'same-origin' },
    });
    expect(answer.status).toBe(303);
    const line = lines.map((text) => JSON.parse(text)).find((l) => l.msg === 'dashboard action');
    expect(line).toMatchObject({ level: 30, user: 'otto', role: 'ops', action: 'hold', erasureId: id });
    expect(Object.keys(line).sort()).toEqual([
      'action',
      'erasureId',
      'hostname',
      'level',
      'msg',
      'pid',
      'role',
      'time',
      'user',
    ]);
    expect(lines.join('')).not.toMatch(new RegExp(`secret reason|"${account}"`));
  });
});

it('escapes whatever others have written', async () => {
  const id = await insert({
    state: 'stalled',
    requested_by: `key:${HOSTILE}`,
    held_at: new Date(),
    held_by: `user:${HOSTILE}`,
    hold_reason: HOSTILE,
  });
  await world.sql`INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, state, last_error, due_at)
    VALUES (${id}, ${HOSTILE}, 'table', 'delete', ${HOSTILE}, 1, 'failed', ${`still_written: ${HOSTILE}`}, now())`;
  await world.sql`INSERT INTO lethe.event (erasure_id, type, data) VALUES (${id}, ${HOSTILE}, '{}'),
    (${id}, 'task.failed', ${world.sql.json({ location: HOSTILE, code: HOSTILE })})`;
  await world.sql`INSERT INTO lethe.notification (id, erasure_id, kind, state, outcome, next_at)
    VALUES (${uuidv7()}, ${id}, 'completed', 'failed', ${HOSTILE}, now())`;
  const seen = await page(`${LIST}/${id}?notice=${encodeURIComponent(HOSTILE)}`, cookies.ops);
  expect(seen).not.toContain('<img');
  // Requester twice, holder, reason, location three times, owner, error, type of the event, outcome.
  expect(seen.split(ESCAPED).length - 1).toBe(11);
  const query = encodeURIComponent(HOSTILE);
  const list = await page(`${LIST}?q=${query}&state=${query}&cursor=${query}&held=${query}`);
  expect(list).not.toContain('<img');
  expect(list).toContain(`value="${ESCAPED}"`);
  expect(await page(`${LIST}?held=1`)).toContain(ESCAPED);
});

describe('searching', () => {
  it('finds an account as the application writes it, and its earlier erasures', async () => {
    const [old, now] = [await insert({ account_key: '70007' }), await insert({ account_key: '70007' })];
    for (const q of ['70007', '0070007', ' 70007 ', '%2070007'])
      expect(idsOn(await page(`${LIST}?q=${q}`)), q).toEqual([now, old]);
    expect(await page(`${LIST}?q=70008`)).toContain('No erasure matches.');
    expect(idsOn(await page(`${LIST}?q=70007&state=running`))).toEqual([]);
  });

  it('finds what was scrubbed, also after the secret was replaced', async () => {
    const id = await insert({
      account_key: null,
      account_digest: accountDigest([SECRET], '80008'),
      scrubbed_at: new Date(),
    });
    const seen = await page(`${LIST}?q=80008`);
    expect(idsOn(seen)).toEqual([id]);
    expect(seen).toContain('scrubbed');
    const secrets = `${'n'.repeat(40)},${SECRET}`;
    const rotated = await world.api({ LETHE_SECRET: secrets });
    expect(idsOn(await page(`${LIST}?q=80008`, cookies.support, rotated))).toEqual([id]);
    expect(await page(`${LIST}/${id}`)).toContain('scrubbed');
  });

  it('goes straight to the erasure whose id is asked for', async () => {
    const id = await insert();
    expect(tellsOf(await get(`${LIST}?q=${id.toUpperCase()}`))).toEqual([303, `${LIST}/${id}`]);
    expect(await page(`${LIST}?q=${uuidv7()}`)).toContain('No erasure has this id.');
  });

  it.each(['me@example.com', '1.5', '9'.repeat(40), 'x'.repeat(300), '%00', "1' OR 1=1", '１２'])(
    'for %j says what is expected',
    async (q) => {
      const seen = await page(`${LIST}?q=${q === '%00' ? q : encodeURIComponent(q)}`);
      expect(seen).toContain('neither an account’s id, which is a whole number (bigint) here');
      expect(idsOn(seen)).toEqual([]);
    },
  );
});

describe('the list', () => {
  it('filters by state, hold and deadline', async () => {
    const ago = new Date(Date.now() - 86_400_000);
    const ids = {
      late: await insert({ state: 'awaiting', due_at: ago }),
      held: await insert({ state: 'awaiting', held_at: ago, held_by: 'cli' }),
      done: await insert({ state: 'completed', due_at: ago }),
      undone: await insert({ state: 'cancelled', held_at: ago, held_by: 'cli' }),
    };
    expect(idsOn(await page(`${LIST}?state=awaiting`))).toEqual([ids.held, ids.late]);
    const overdue = await page(`${LIST}?overdue=1`);
    expect(idsOn(overdue)).toContain(ids.late);
    expect(idsOn(overdue)).not.toContain(ids.done);
    const held = idsOn(await page(`${LIST}?held=1`));
    expect(held).toContain(ids.held);
    expect(held).not.toContain(ids.undone);
    expect(idsOn(await page(`${LIST}?state=awaiting&held=1&overdue=1`))).toEqual([]);
    const [row] = await world.sql`SELECT count(*)::int AS awaiting FROM lethe.erasure WHERE state = 'awaiting'`;
    expect(overdue).toContain(`<b>${row?.awaiting}</b> awaiting partners`);
  });

  it('goes page by page through everything once, newest first, with its filters', async () => {
    for (let i = 0; i < 30; i++) await insert();
    const [row] = await world.sql<{ ids: string[] }[]>`
      SELECT array_agg(id ORDER BY id DESC) AS ids FROM lethe.erasure WHERE state = 'completed'`;
    const seen: (string | undefined)[] = [];
    let path: string | undefined = `${LIST}?state=completed`;
    while (path) {
      const html: string = await page(path);
      expect(idsOn(html).length).toBeLessThanOrEqual(25);
      seen.push(...idsOn(html));
      path = /rel="next" href="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
      if (path) expect(path).toContain('state=completed');
    }
    expect(seen).toEqual(row?.ids);
  });

  it('says how hard the cluster works, and what slows it', async () => {
    const running = await insert({ state: 'running', started_at: new Date() });
    const done = await insert();
    // Nobody decides it: what this process was told.
    for (const path of [LIST, `${LIST}/${running}`]) expect(await page(path)).toContain('<p>Pace: balanced.</p>');
    await world.sql`INSERT INTO lethe.pace (pace, step, slots, words, signals)
      VALUES ('gentle', 4, 1, 'replica 12 s behind', '[]')`;
    const words = '<p>Pace: gentle, slowed: replica 12 s behind.</p>';
    for (const path of [LIST, `${LIST}/${running}`]) expect(await page(path)).toContain(words);
    expect(await page(`${LIST}/${done}`)).not.toContain('Pace:');
    await world.sql`UPDATE lethe.pace SET sampled_at = now() - interval '61 seconds'`;
    expect(await page(LIST)).toContain('<p>Pace: balanced.</p>');
    await world.sql`DELETE FROM lethe.pace`;
    await world.sql`DELETE FROM lethe.erasure WHERE id = ${running}`;
  });

  it('says in words that Redis is away, and that no worker is there', async () => {
    expect(await page(LIST)).toContain('No worker is connected');
    const worker = await world.worker();
    await until('the worker is counted', async () => (await page(LIST)).includes('1 worker.'));
    await worker.stop();
    const alone = await world.api({ REDIS_URL: 'redis://127.0.0.1:1' });
    expect(await page(LIST, cookies.support, alone)).toContain('Redis cannot be reached');
  });
});

type Node = Record<string, unknown> & { Plans?: Node[] };
const nodes = (plan: Node): Node[] => [plan, ...(plan.Plans ?? []).flatMap(nodes)];

it('reads a page’s worth of rows among 200,000 finished erasures, whatever is asked', async () => {
  await world.sql`
    INSERT INTO lethe.erasure (id, account_key, account_digest, state, mode, requested_at, starts_at, due_at, completed_at, catalog_digest)
    SELECT ('01900000-' || lpad(to_hex(n >> 16), 4, '0') || '-7' || lpad(to_hex((n >> 4) & 4095), 3, '0') || '-800' ||
            to_hex(n & 15) || '-000000000000')::uuid, (1000000 + n)::text, md5(n::text), 'completed', 'scheduled',
           now() - interval '1 day', now(), now() - interval '1 hour', now(), 'none' FROM generate_series(1, 200000) n`;
  await world.sql`VACUUM ANALYZE lethe.erasure`;
  const asked: { query: string; params: unknown[] }[] = [];
  const { db, close } = connect(world.url, { max: 2, applicationName: 'asked' });
  const debug = (_: number, query: string, params: unknown[]) => void asked.push({ query, params: [...params] });
  Object.assign(db.$client.options, { debug });
  const { ctx, producers } = await world.domain();
  const api = {
    ctx: { ...ctx, db },
    config: world.config('api'),
    producers,
  };
  const searches: Partial<Search>[] = [
    {},
    { cursor: '01900001-0000-7000-8000-000000000000' },
    { state: 'completed' },
    { state: 'completed', cursor: '01900000-0002-7000-8000-000000000000' },
    { state: 'stalled' },
    { state: 'awaiting', held: true },
    { held: true },
    { overdue: true },
    { overdue: true, held: true, state: 'running' },
    { q: '1000007' },
    { q: '5' },
    { q: '5', state: 'completed' },
    { q: uuidv7() },
    { accounts: 'users' },
    { accounts: 'test' },
    { accounts: 'test', state: 'completed' },
    { owner: 'reader', tasks: 'open' },
    { owner: 'reader', tasks: 'late', accounts: 'users' },
    { owner: 'nobody', tasks: 'failing' },
  ];
  for (const search of searches) {
    asked.length = 0;
    await runSearch(api as unknown as Api, { ...ANY, ...search });
    const onErasures = asked.filter(({ query }) => /"?lethe"?\."?erasure"?/.test(query));
    expect(onErasures.length, JSON.stringify(search)).toBeGreaterThan(0);
    for (const { query, params } of onErasures) {
      const [row] = await world.sql.unsafe(`EXPLAIN (ANALYZE, FORMAT JSON) ${query}`, params as never[]);
      const plan = ((row?.['QUERY PLAN'] ?? []) as { Plan: Node }[]).flatMap((one) => nodes(one.Plan));
      for (const node of plan.filter((n) => n['Relation Name'] === 'erasure')) {
        const read = Number(node['Actual Rows']) + Number(node['Rows Removed by Filter'] ?? 0);
        expect(node['Node Type'], `${JSON.stringify(search)}: ${query}`).not.toMatch(/Seq/);
        expect(read, `${JSON.stringify(search)}: ${query}`).toBeLessThan(500);
      }
    }
  }
  await close();
}, 120_000);
