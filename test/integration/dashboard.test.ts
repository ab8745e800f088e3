import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { deriveToken } from '../../src/tokens.ts';
import {
  board,
  boardRoutes,
  cookieOf,
  jobCounts as counts,
  dump,
  failWaiting,
  QUEUES,
  queueWithJobs,
  signIn,
} from '../support/dashboard.ts';
import { forgeCookie } from '../support/forge.ts';
import { accepted, erasuresOf, expectProblem, subject } from '../support/subject.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, SECRET, type World } from '../support/world.ts';

const PASSWORD = { sue: 'correct horse battery staple', otto: 'pässwörd with spaces' };
let world: World;
let call: Call & { base: string };
let redis: Redis;
let users: Record<'sue' | 'otto', string>;
let cookies: Record<'support' | 'ops', string>;
const later = () => Date.now() + 3_600_000;
/** A cookie made as ours are, for somebody who signed in with the password of `whose`. */
const made = (name: string, expires: unknown, whose = users.otto, secret = SECRET, id = 'made') =>
  forgeCookie(
    [name, expires, deriveToken([secret], 'dashboard password', String(whose.split('=')[2])), id].join('|'),
    secret,
  );

beforeAll(async () => {
  users = {
    sue: `sue=support=${await hashPassword(PASSWORD.sue)}`,
    otto: `otto=ops=${await hashPassword(PASSWORD.otto)}`,
  };
  world = await createWorld({ env: { LETHE_CHUNK_ROWS: '500', LETHE_DASHBOARD_USERS: `${users.sue},${users.otto}` } });
  call = await world.api();
  redis = new Redis(world.env.REDIS_URL as string, { maxRetriesPerRequest: null });
  await until('it has reached Redis', async () => (await call('GET', '/readyz')).body.status === 'ok');
  cookies = {
    support: await cookieOf(call, 'sue', PASSWORD.sue),
    ops: await cookieOf(call, 'otto', PASSWORD.otto),
  };
});
afterAll(async () => {
  redis.disconnect();
  await world.close();
});

const prefix = () => world.env.LETHE_REDIS_PREFIX as string;
const connection = () => ({ connection: redis, prefix: prefix() });

describe('signing in', () => {
  it.each(['', '/', '/queue/erasures', '/static/js/main.js'])('is asked for on page %s', async (path) => {
    const answer = await board(call, null)('GET', path);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/admin/login']);
  });

  it.each([
    ['GET', '/api/queues'],
    ['GET', '/api/redis/stats'],
    ['PUT', '/api/queues/erasures/retry/failed'],
    ['PUT', '/api/queues/erasures/obliterate'],
    ['POST', '/api/queues/erasures/add'],
  ])('is asked for by %s %s with 401', async (method, path) => {
    expectProblem(await board(call, null)(method, path), 401, 'unauthenticated');
  });

  it('sets a cookie that scripts and other sites do not get', async () => {
    const answer = await signIn(call, 'sue', PASSWORD.sue);
    const cookie = String(answer.headers.get('set-cookie'));
    for (const part of ['; Path=/admin', '; HttpOnly', '; SameSite=Strict']) expect(cookie).toContain(part);
    expect(cookie).not.toMatch(/; Secure/);
    const https = await world.api({ LETHE_PUBLIC_URL: 'https://lethe.test' });
    expect(String((await signIn(https, 'sue', PASSWORD.sue)).headers.get('set-cookie'))).toMatch(/; Secure/);
  });

  it.each([
    ['a wrong password', 'sue', 'wrong'],
    ['another user’s password', 'sue', PASSWORD.otto],
    ['an empty password', 'sue', ''],
    ['an unknown name', 'nobody', 'nobody'],
    ['no name', '', PASSWORD.sue],
    ['__proto__', '__proto__', PASSWORD.sue],
    ['markup', '<script>alert(1)</script>', 'x'],
    ['a password of 15 kB', 'sue', 'x'.repeat(15_000)],
  ])('with %s is refused', async (_, name, password) => {
    const answer = await signIn(call, name, password);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect(answer.body.text).toContain('Name or password is wrong');
    expect(answer.body.text).not.toContain('<script>');
  });

  it.each([
    ['garbage that says it is multipart', 'multipart/form-data; boundary=x', '--y garbage'],
    ['multipart without a boundary', 'multipart/form-data', 'garbage'],
    ['JSON', 'application/json', JSON.stringify({ name: 'sue', password: PASSWORD.sue })],
  ])('with %s is refused', async (_, type, raw) => {
    const headers = { 'Content-Type': type, Origin: call.base };
    const answer = await call('POST', '/admin/login', { auth: null, raw, headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it.each<[string, () => string]>([
    ['forged with another secret', () => made('otto', later(), users.otto, 'x'.repeat(40))],
    ['expired', () => made('otto', Date.now() - 1)],
    ['without an expiry', () => made('otto', '')],
    ['with an expiry that is no number', () => made('otto', 'never')],
    ['of an unknown user', () => made('mallory', later())],
    ['without a token of the password', () => forgeCookie(`otto|${later()}||made`, SECRET)],
    ['without an id of its own', () => made('otto', later(), users.otto, SECRET, '')],
    ['with the token of another user’s password', () => made('otto', later(), users.sue)],
    ['of another name than was signed', () => cookies.support.replace('=sue', '=otto')],
    ['with a later expiry than was signed', () => cookies.ops.replace(/(%7C|\|)\d/, '$19')],
    ['without its signature', () => made('otto', later()).replace(/\.[^.]*$/, '')],
    ['empty', () => 'lethe_dashboard='],
  ])('with a cookie that is %s is refused', async (_, make) => {
    const cookie = make();
    expect(Object.values(cookies)).not.toContain(cookie);
    expectProblem(await board(call, cookie)('GET', '/api/queues'), 401, 'unauthenticated');
    expect((await board(call, cookie)('GET', '')).status).toBe(303);
  });

  it('opens with a cookie made as ours are, so that the refusals above mean something', async () => {
    expect((await board(call, made('otto', later()))('GET', '/api/queues')).status).toBe(200);
  });

  it('ends for a user who was removed, and a changed role holds at once', async () => {
    const without = await world.api({ LETHE_DASHBOARD_USERS: users.sue });
    await until('it has reached Redis', async () => (await without('GET', '/readyz')).body.status === 'ok');
    expectProblem(await board(without, cookies.ops)('GET', '/api/queues'), 401, 'unauthenticated');
    expect((await board(without, cookies.support)('GET', '/api/queues')).status).toBe(200);
    const demoted = await world.api({ LETHE_DASHBOARD_USERS: users.otto.replace('=ops=', '=support=') });
    const refused = await board(demoted, cookies.ops)('PUT', '/api/queues/erasures/retry/failed');
    expectProblem(refused, 403, 'forbidden');
  });

  it('ends with a new password, for this user only', async () => {
    const renewed = `otto=ops=${await hashPassword(PASSWORD.otto)}`;
    const api = await world.api({ LETHE_DASHBOARD_USERS: `${users.sue},${renewed}` });
    await until('it has reached Redis', async () => (await api('GET', '/readyz')).body.status === 'ok');
    expectProblem(await board(api, cookies.ops)('GET', '/api/queues'), 401, 'unauthenticated');
    expect((await board(api, cookies.support)('GET', '/api/queues')).status).toBe(200);
    expect((await board(api, await cookieOf(api, 'otto', PASSWORD.otto))('GET', '/api/queues')).status).toBe(200);
  });

  it('does not end with a new secret before the old one', async () => {
    const api = await world.api({ LETHE_SECRET: `${'n'.repeat(40)},${SECRET}` });
    await until('it has reached Redis', async () => (await api('GET', '/readyz')).body.status === 'ok');
    expect((await board(api, cookies.ops)('GET', '/api/queues')).status).toBe(200);
  });

  const signOut = (api: Call & { base: string }, cookie: string) =>
    api('POST', '/admin/logout', { auth: null, headers: { Origin: api.base, Cookie: cookie } });

  it('ends with signing out, here and in every process, also for who copied the cookie', async () => {
    const [stolen, other] = [await cookieOf(call, 'otto', PASSWORD.otto), await cookieOf(call, 'otto', PASSWORD.otto)];
    const elsewhere = await world.api();
    await until('it has reached Redis', async () => (await elsewhere('GET', '/readyz')).body.status === 'ok');
    for (const api of [call, elsewhere]) expect((await board(api, stolen)('GET', '/api/queues')).status).toBe(200);
    const answer = await signOut(call, stolen);
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/admin/login']);
    expect(answer.headers.get('set-cookie')).toMatch(/^lethe_dashboard=; Max-Age=0; Path=\/admin/);
    // Redis knows nothing of it.
    await redis.del(...(await redis.keys(`${prefix()}*`)));
    for (const api of [call, elsewhere]) {
      expectProblem(await board(api, stolen)('GET', '/api/queues'), 401, 'unauthenticated');
      const page = await api('GET', '/admin/erasures', { auth: null, headers: { Cookie: stolen } });
      expect([page.status, page.headers.get('location')]).toEqual([303, '/admin/login']);
      expect((await board(api, other)('GET', '/api/queues')).status).toBe(200);
    }
    const kept = await world.sql`SELECT key_hash FROM lethe.idempotency WHERE key_hash LIKE 'session ended%'`;
    for (const { key_hash } of kept) expect(stolen).not.toContain(String(key_hash).split(': ')[1]);
  });

  it('is told in words that the database is away, lets nobody in then, and is forgotten by the browser all the same', async () => {
    const proxy = await startTcpProxy(Number(new URL(world.url).port));
    try {
      const url = new URL(world.url);
      url.port = String(proxy.port);
      const api = await world.api({ DATABASE_URL: url.href });
      await until('it has reached Redis', async () => (await api('GET', '/readyz')).body.status === 'ok');
      const cookie = await cookieOf(api, 'otto', PASSWORD.otto);
      const look = () => api('GET', '/admin/erasures', { auth: null, headers: { Cookie: cookie } });
      expect((await look()).status).toBe(200);
      proxy.cut();
      const page = await look();
      expect([page.status, page.headers.get('content-type')]).toEqual([503, 'text/html; charset=UTF-8']);
      expect(page.body.text).toContain('database could not be reached');
      expectProblem(await board(api, cookie)('GET', '/api/queues'), 503, 'database_unavailable');
      const out = await signOut(api, cookie);
      expectProblem(out, 503, 'database_unavailable');
      expect(out.headers.get('set-cookie')).toMatch(/^lethe_dashboard=; Max-Age=0/);
      proxy.open();
      // What was sent before may still arrive: it is signed out already, or can be now.
      await until('it is back', async () => (await look()).status !== 503);
      expect((await signOut(api, cookie)).status).toBe(303);
      expect((await look()).status).toBe(303);
    } finally {
      await proxy.close();
    }
  });

  it('ends with signing out without a cookie too: there is nothing to end', async () => {
    const answer = await signOut(call, '');
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/admin/login']);
  });

  it('ends the sign-in that the browser had before', async () => {
    const before = await cookieOf(call, 'sue', PASSWORD.sue);
    const answer = await signIn(call, 'sue', PASSWORD.sue, { Cookie: before });
    expect(answer.status).toBe(303);
    expectProblem(await board(call, before)('GET', '/api/queues'), 401, 'unauthenticated');
  });
});

describe('a cookie that another site below the same domain has set', () => {
  it('signs nobody out: every cookie of the name is looked at', async () => {
    for (const tossed of ['lethe_dashboard=garbage', 'lethe_dashboard=', 'lethe_dashboard=%E0%A4%A', made('otto', 1)])
      for (const both of [`${tossed}; ${cookies.support}`, `${cookies.support}; ${tossed}`])
        expect((await board(call, both)('GET', '/api/queues')).status, both).toBe(200);
  });

  it('lets nobody work in somebody else’s sign-in, and the next sign-in ends it', async () => {
    const tossed = await cookieOf(call, 'sue', PASSWORD.sue);
    const own = await cookieOf(call, 'otto', PASSWORD.otto);
    for (const both of [`${tossed}; ${own}`, `${own}; ${tossed}`])
      expectProblem(await board(call, both)('GET', '/api/queues'), 401, 'unauthenticated');
    const again = await signIn(call, 'otto', PASSWORD.otto, { Cookie: `${tossed}; ${own}` });
    const renewed = String(again.headers.get('set-cookie')).split(';')[0] as string;
    expect((await board(call, `${tossed}; ${renewed}`)('PUT', '/api/queues/mail/retry/failed')).status).toBe(200);
  });

  it('is refused by the browser where the cookie is __Host-, and one of the plain name counts for nothing there', async () => {
    const https = await world.api({ LETHE_PUBLIC_URL: 'https://lethe.test' });
    await until('it has reached Redis', async () => (await https('GET', '/readyz')).body.status === 'ok');
    const header = String((await signIn(https, 'sue', PASSWORD.sue)).headers.get('set-cookie'));
    expect(header).toMatch(/^__Host-lethe_dashboard=/);
    for (const part of ['; Path=/;', '; Secure', '; HttpOnly', '; SameSite=Strict']) expect(header).toContain(part);
    expect(header).not.toMatch(/domain/i);
    const own = header.split(';')[0] as string;
    expect((await board(https, own)('GET', '/api/queues')).status).toBe(200);
    expectProblem(await board(https, cookies.ops)('GET', '/api/queues'), 401, 'unauthenticated');
    const { headers } = await https('POST', '/admin/logout', {
      auth: null,
      headers: { Origin: https.base, Cookie: own },
    });
    expect(headers.get('set-cookie')).toMatch(/^__Host-lethe_dashboard=; Max-Age=0; Path=\/; Secure/);
    expectProblem(await board(https, own)('GET', '/api/queues'), 401, 'unauthenticated');
  });
});

describe('another site', () => {
  const evil = { Origin: 'https://evil.test', 'Sec-Fetch-Site': 'cross-site' };

  it('cannot sign in or out', async () => {
    expectProblem(await signIn(call, 'sue', PASSWORD.sue, evil), 403, 'forbidden');
    for (const headers of [evil, { ...evil, 'Content-Type': 'application/x-www-form-urlencoded' }]) {
      const answer = await call('POST', '/admin/logout', { auth: null, headers });
      expectProblem(answer, 403, 'forbidden');
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
  });

  it('is not ours under its public address, where a browser says no more than Origin', async () => {
    const https = await world.api({ LETHE_PUBLIC_URL: 'https://lethe.test/erasures' });
    await until('it has reached Redis', async () => (await https('GET', '/readyz')).body.status === 'ok');
    // Its own: it is signed out in the end.
    const own = await cookieOf(call, 'otto', PASSWORD.otto);
    const visit = (method: string, path: string, Origin: string) =>
      https(method, path, {
        auth: null,
        raw: '',
        headers: { Origin, Cookie: own, 'Content-Type': 'text/plain' },
      });
    const retry = `${QUEUES}/api/queues/mail/retry/failed`;
    const ours = 'https://lethe.test';
    expect((await signIn(https, 'sue', PASSWORD.sue, { Origin: ours })).status).toBe(303);
    expect((await visit('PUT', retry, ours)).status).toBe(200);
    expect((await visit('POST', '/admin/logout', ours)).status).toBe(303);
    for (const Origin of ['http://lethe.test', 'https://lethe.test:8443', 'https://evil.test', 'null']) {
      expectProblem(await signIn(https, 'sue', PASSWORD.sue, { Origin }), 403, 'forbidden');
      expectProblem(await visit('PUT', retry, Origin), 403, 'forbidden');
      expectProblem(await visit('POST', '/admin/logout', Origin), 403, 'forbidden');
    }
  });

  it.each([
    ['PUT', '/api/queues/mail/retry/failed', 'application/json'],
    ['PUT', '/api/queues/mail/retry/failed', 'application/x-made-up'],
    ['PUT', '/api/queues/mail/retry/failed', 'text/plain'],
    ['PUT', '/api/queues/mail/failing/retry', 'application/x-www-form-urlencoded'],
    ['POST', '/api/queues/mail/add', 'multipart/form-data; boundary=x'],
  ])('cannot %s %s as %s with an operator’s cookie', async (method, path, type) => {
    for (const from of [evil, { Origin: evil.Origin }, { Origin: 'null' }, { 'Sec-Fetch-Site': 'same-site' }, {}]) {
      const headers = { Cookie: cookies.ops, 'Content-Type': type, ...from };
      expectProblem(await call(method, QUEUES + path, { auth: null, raw: '', headers }), 403, 'forbidden');
    }
  });

  it('cannot sign in or out with JSON', async () => {
    for (const path of ['/admin/login', '/admin/logout'])
      expectProblem(
        await call('POST', path, { auth: null, body: { name: 'sue', password: PASSWORD.sue }, headers: evil }),
        403,
        'forbidden',
      );
  });
});

describe('the board', () => {
  it('loads: its page has the right base path and every script and style that it names', async () => {
    const ask = board(call, cookies.support);
    for (const path of ['', '/', '/queue/erasures', '/queue/mail/some-job']) {
      const entry = await ask('GET', path);
      expect(entry.status, path).toBe(200);
      expect(entry.body.text).toContain(`<base href="${QUEUES}/" />`);
      const assets = [...String(entry.body.text).matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map((m) => m[1]);
      expect(assets.length).toBeGreaterThan(2);
      for (const asset of assets) {
        const loaded = await ask('GET', `/${asset}`);
        expect(loaded.status, asset).toBe(200);
        expect(loaded.headers.get('content-type'), asset).toMatch(/^(text\/css|text\/javascript|image\/)/);
      }
    }
  });

  it.each(['/static/../package.json', '/static/..%2Fpackage.json', '/static/%2e%2e/%2e%2e/package.json'])(
    'serves nothing else: %s',
    async (path) => {
      expect((await board(call, cookies.support)('GET', path)).status).toBe(404);
    },
  );

  it('lets support look at everything and change nothing', async () => {
    const queue = await queueWithJobs('mail', connection());
    try {
      const ask = board(call, cookies.support);
      const { read, write } = await boardRoutes();
      const fill = (route: string) =>
        route
          .replace(':queueName', 'mail')
          .replace(':jobId', 'failing')
          .replace(':queueStatus', 'failed')
          .replace(':schedulerId', 'tick');
      for (const route of read) expect((await ask('GET', fill(route))).status, route).toBe(200);
      expect(write.length).toBeGreaterThan(15);
      const before = await dump(redis, `${prefix()}:mail`);
      for (const [method, route] of write) {
        for (const body of [undefined, {}, { name: 'x', data: {}, options: {}, jobData: {}, force: true }])
          expectProblem(await ask(method, fill(route), body), 403, 'forbidden');
      }
      for (const method of ['DELETE', 'OPTIONS'])
        expect((await ask(method, '/api/queues/mail')).status, method).toBe(403);
      expect(await dump(redis, `${prefix()}:mail`)).toBe(before);
    } finally {
      await queue.obliterate({ force: true });
      await queue.close();
    }
  });

  it('lets ops retry a job or all that failed, and nothing else', async () => {
    const queue = await queueWithJobs('mail', connection());
    try {
      const ask = board(call, cookies.ops);
      const { write } = await boardRoutes();
      const allowed = ['/api/queues/:queueName/retry/:queueStatus', '/api/queues/:queueName/:jobId/retry'];
      const before = await counts(queue);
      expect(before).toMatchObject({ failed: 1, wait: 1, delayed: 2 });
      const tried = write.filter(([, route]) => !allowed.includes(route));
      expect(tried.length).toBe(write.length - 2);
      for (const value of ['failing', 'failed', 'completed', 'retry', 'clean'])
        for (const [method, route] of tried) {
          const path = route.replace(':queueName', 'mail').replace(/:\w+/g, value);
          expectProblem(await ask(method, path, { force: true }), 403, 'forbidden');
        }
      for (const path of ['/retry/completed', '/retry/waiting', '/retry/retry', '/clean/retry', '/a%2Fb/retry/', ''])
        expectProblem(await ask('PUT', `/api/queues/mail${path}`), 403, 'forbidden');
      expectProblem(await ask('POST', '/api/queues/mail/failing/retry'), 403, 'forbidden');
      expect(await counts(queue)).toEqual(before);

      expect((await ask('PUT', '/api/queues/mail/failing/retry')).status).toBe(204);
      expect(await counts(queue)).toMatchObject({ failed: 0, wait: 2, delayed: 2 });
      await failWaiting(queue, connection(), 2);
      const all = await ask('PUT', '/api/queues/mail/retry/failed');
      expect([all.status, all.body]).toEqual([200, { retried: 2, skipped: 0 }]);
      expect(await counts(queue)).toMatchObject({ failed: 0, wait: 2, delayed: 2 });
    } finally {
      await queue.obliterate({ force: true });
      await queue.close();
    }
  });

  it('lets ops retry a failed run of the sweep, whose id holds colons and dots', async () => {
    const queue = new Queue('housekeeping', connection());
    try {
      await queue.upsertJobScheduler('erasure.sweep', { every: 3_600_000 }, { name: 'erasure.sweep', data: {} });
      await failWaiting(queue, connection(), 1);
      const [failed] = await queue.getFailed();
      if (!failed) throw new Error('a failed run is expected');
      expect(failed.id).toMatch(/^repeat:erasure\.sweep:\d+$/);
      const path = `/api/queues/housekeeping/${encodeURIComponent(String(failed.id))}/retry`;
      expectProblem(await board(call, cookies.support)('PUT', path), 403, 'forbidden');
      expect((await board(call, cookies.ops)('PUT', path)).status).toBe(204);
      expect(await failed.getState()).toBe('waiting');
    } finally {
      await queue.obliterate({ force: true });
      await queue.close();
    }
  });
});

describe('after an erasure', () => {
  it('neither Redis nor the board holds the account’s key or address', async () => {
    await world.sql`ALTER TABLE accounts ALTER COLUMN id RESTART WITH 918273645546372819`;
    const { account, email } = await subject(world.sql);
    expect(account).toHaveLength(18);
    const { id } = await accepted(call, account);
    const worker = await world.worker();
    expect((await call('POST', `/v1/erasures/${id}/start`)).status).toBe(202);
    await until('it is completed and mailed', async () => {
      const [now] = await erasuresOf(world.sql, account);
      return now?.state === 'completed' && now.email === null;
    });
    await worker.stop();

    const kept = await dump(redis, prefix());
    expect(kept).toContain(id);
    expect(kept).toContain('chunk.erase');
    const secrets = [account, email, '@example.com', '91827364554637', 'token='];
    for (const secret of secrets) expect(kept).not.toContain(secret);

    const ask = board(call, cookies.support);
    let shown = '';
    for (const queue of ['erasures', 'chunks', 'mail', 'housekeeping']) {
      const list = await ask('GET', `/api/queues?activeQueue=${queue}&status=latest&page=1&jobsPerPage=50`);
      expect(list.status).toBe(200);
      shown += JSON.stringify(list.body);
    }
    shown += JSON.stringify((await ask('GET', `/api/queues/erasures/${id}_1/flow`)).body);
    expect(shown).toContain(`"erasureId":"${id}"`);
    expect(shown).toContain('"outcome":"completed"');
    expect(shown).toContain('posts 1000/1000');
    for (const secret of secrets) expect(shown).not.toContain(secret);
  });
});
