import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { z } from '@hono/zod-openapi';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/free-port.ts';
import {
  acknowledge,
  type ClientOptions,
  createClient,
  type Erasure,
  LetheProblem,
  openStatusLink,
} from '../../src/client/index.ts';
import { ROUTES } from '../../src/http/api/openapi.ts';
import { startApi } from '../../src/main.ts';
import { signMessage } from '../../src/partners/sign.ts';
import { deriveToken } from '../../src/tokens.ts';
import { expectErased } from '../support/evidence.ts';
import { messageOf, PARTNER_SECRET } from '../support/partner-message.ts';
import { isFlagged, LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, jwt, KEYS, SECRET, type World } from '../support/world.ts';

let world: World;
let call: Call & { base: string };
const seen = new Set<string>();
const running: Awaited<ReturnType<typeof startApi>>[] = [];

type Content = Record<string, { schema: z.ZodType; examples?: object }>;
const contracts = ROUTES.map((route) => ({
  name: `${route.method} ${route.path}`,
  method: route.method.toUpperCase(),
  path: new RegExp(`^${route.path.replace(/\{\w+\}/g, '[^/]+')}$`),
  responses: route.responses as unknown as Record<string, { content?: Content }>,
}));

/** `fetch`, and a check that the answer is one that the contract has: status, type, every member, problem code. */
const checkedFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  const { pathname } = new URL(String(input));
  const contract = contracts.find((c) => c.method === init?.method && c.path.test(pathname));
  const type = response.headers.get('Content-Type')?.split(';')[0] ?? '';
  const content = contract?.responses[response.status]?.content?.[type];
  expect(content, `${init?.method} ${pathname} ${response.status} ${type}`).toBeDefined();
  seen.add(`${contract?.name} ${response.status}`);
  if (type === 'text/event-stream') return response;
  const body = (await response.clone().json()) as { code?: string };
  expect(content?.schema.parse(body)).toEqual(body);
  if (type === 'application/problem+json') expect(Object.keys(content?.examples ?? {})).toContain(body.code);
  return response;
};

beforeAll(async () => {
  world = await createWorld({ env: { LETHE_PARTNER_SECRET: PARTNER_SECRET } });
  call = await world.api();
});
afterEach(() => Promise.all(running.splice(0).map((api) => api.stop())));
afterAll(() => world.close());

const withKey = (token: ClientOptions['token'], baseUrl = call.base) =>
  createClient({ baseUrl, token, fetch: checkedFetch });
const refusal = async (promise: Promise<unknown>): Promise<LetheProblem> => {
  const error = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(LetheProblem);
  return error as LetheProblem;
};
const bearer = async (sub: string) => (await jwt({ sub })).replace('Bearer ', '');

describe('a client with a token', () => {
  it('asks for an erasure, looks at it, undoes it', async () => {
    const { account } = await subject(world.sql);
    let asked = 0;
    const client = withKey(async () => {
      asked++;
      return bearer(account);
    });
    const accepted = await client.requestErasure(account, { idempotencyKey: 'once' });
    expect(accepted).toMatchObject({ accountId: account, state: 'scheduled', mode: 'scheduled' });
    expect((await client.requestErasure(BigInt(account), { idempotencyKey: 'once' })).id).toBe(accepted.id);
    const reused = await refusal(client.requestErasure(account, { idempotencyKey: 'once', startNow: true }));
    expect([reused.code, reused.status]).toEqual(['idempotency_key_reused', 422]);
    expect((await client.getErasure(accepted.id)).progress.locations.map((l) => l.name)).toContain('posts');
    expect((await client.cancel(accepted.id)).state).toBe('cancelled');
    expect(await isFlagged(world.sql, account)).toBe(false);
    expect((await refusal(client.start(accepted.id))).code).toBe('not_live');
    expect(asked).toBe(6);
  });

  it('throws what is refused, with all that a program decides by', async () => {
    const { account } = await subject(world.sql, SMALL);
    const client = withKey(KEYS.write);
    expect((await client.requestErasure(account)).state).toBe('completed');
    const wrong = await refusal(client.requestErasure('1 OR 1=1'));
    expect(wrong).toMatchObject({ code: 'invalid_request', status: 422, field: 'accountId', retryAfter: undefined });
    expect(wrong.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect((await refusal(client.getErasure('../accounts'))).field).toBe('id');
    expect((await refusal(withKey('no-key').requestErasure(account))).status).toBe(401);
    const stale = (await jwt({ sub: account, authTime: null })).replace('Bearer ', '');
    const renew = await refusal(withKey(stale).requestErasure(account));
    expect(renew).toMatchObject({ code: 'reauthentication_required', maxAge: 900 });
    const limited = await world.api({ LETHE_RATE_LIMIT: '1' });
    const often = withKey(KEYS.admin, limited.base);
    // Whoever Redis does not answer in time is let through.
    const later = await until('it asks too often', () =>
      often.list().then(
        () => undefined,
        (e: LetheProblem) => e,
      ),
    );
    expect(later.code).toBe('rate_limited');
    expect(later.retryAfter).toBeGreaterThan(0);
  });

  it('throws what somebody else answered', async () => {
    const proxy = createServer((_, answer) => {
      answer.writeHead(502, {
        'Content-Type': 'text/html',
        'Retry-After': new Date(Date.now() + 60_000).toUTCString(),
      });
      answer.end('<h1>Bad gateway</h1>');
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const strange = await refusal(createClient({ baseUrl: `http://127.0.0.1:${port}/`, token: 'x' }).list());
    expect(strange).toMatchObject({ code: 'unexpected_answer', status: 502 });
    expect(strange.retryAfter).toBeGreaterThan(50);
    proxy.close();
    const away = createClient({ baseUrl: `http://127.0.0.1:${await freePort()}`, token: 'x' });
    await expect(away.list()).rejects.toBeInstanceOf(TypeError);
  });
});

describe('operators', () => {
  it('hold an erasure: nothing starts, and only they see who and why', async () => {
    const { account, before } = await subject(world.sql);
    const ops = withKey(KEYS.admin);
    const { id, statusUrl } = await ops.requestErasure(account);
    expect((await ops.getErasure(id)).held).toBeNull();
    const held = await ops.hold(id, '  Legal case 7 ');
    expect(held.held).toEqual({ since: expect.any(String), by: 'key:ops', reason: 'Legal case 7' });
    for (const other of [withKey(KEYS.read).getErasure(id), withKey(() => bearer(account)).getErasure(id)])
      expect((await other).held).toEqual({ since: held.held?.since });
    const link = openStatusLink(statusUrl, { baseUrl: call.base, fetch: checkedFetch });
    expect(Object.keys((await link.getErasure()).held ?? {})).toEqual(['since']);
    expect(await refusal(link.start())).toMatchObject({ code: 'on_hold', status: 409 });
    expect((await ops.getErasure(id)).state).toBe('scheduled');

    expect((await ops.release(id)).held).toBeNull();
    expect((await link.start()).state).toBe('running');
    await ops.hold(id, 'again');
    expect((await refusal(ops.start(id))).code).toBe('on_hold');
    await world.sql`UPDATE lethe.erasure SET state = 'stalled' WHERE id = ${id}`;
    expect((await refusal(ops.replay(id))).code).toBe('on_hold');
    expect((await ops.release(id)).state).toBe('stalled');
    expect((await ops.replay(id)).state).toBe('running');
    const by = await world.sql`SELECT data->>'by' AS by FROM lethe.event WHERE erasure_id = ${id}
      AND type IN ('erasure.running', 'erasure.held', 'erasure.released') ORDER BY id`;
    expect(by.map((row) => row.by)).toEqual(['key:ops', 'key:ops', 'status link', 'key:ops', 'key:ops', 'key:ops']);

    await ops.hold(id, 'once more');
    const worker = await world.worker({ LETHE_RECONCILE_INTERVAL: '60s' });
    await ops.release(id);
    await until('released, it is completed', async () => (await ops.getErasure(id)).state === 'completed');
    await worker.stop();
    await expectErased(world.sql, account, id, before);
    expect((await refusal(ops.hold(id, 'too late'))).code).toBe('not_live');
    expect((await refusal(ops.release(id))).code).toBe('not_live');
  });

  it.each([
    ['nothing', {}, 'reason'],
    ['an empty reason', { reason: ' \n ' }, 'reason'],
    ['a reason of 501 characters', { reason: 'x'.repeat(501) }, 'reason'],
    ['a number', { reason: 7 }, 'reason'],
    ['another field', { reason: 'x', until: 'y' }, 'until'],
    ['no object', [], 'body'],
  ])('cannot hold with %s', async (_, body, field) => {
    const { id } = await withKey(KEYS.admin).requestErasure((await subject(world.sql)).account);
    const refused = await call('POST', `/v1/erasures/${id}/hold`, { auth: `Bearer ${KEYS.admin}`, body });
    expect(refused.body).toMatchObject({ status: 422, code: 'invalid_request', field });
    expect((await withKey(KEYS.admin).getErasure(id)).held).toBeNull();
  });

  it('only may hold, release, replay and list', async () => {
    const { account } = await subject(world.sql);
    const { id } = await withKey(KEYS.write).requestErasure(account);
    for (const token of [KEYS.write, KEYS.read, await bearer(account)]) {
      const client = withKey(token);
      const asked = [
        () => client.hold(id, ''),
        () => client.release(id),
        () => client.replay(id),
        () => client.list({ limit: 0 }),
      ];
      for (const ask of asked) expect((await refusal(ask())).code).toBe('forbidden');
    }
    expect((await refusal(withKey(KEYS.admin).list({ limit: 0 }))).field).toBe('limit');
  });

  it('list erasures page by page, newest first, and by what they look for', async () => {
    const ops = withKey(KEYS.admin);
    const accounts = await Promise.all([1, 2, 3].map(() => subject(world.sql)));
    const ids: string[] = [];
    for (const { account } of accounts) ids.push((await ops.requestErasure(account)).id);
    const newest = [...ids].reverse();
    const first = await ops.list({ limit: 2 });
    expect(first.erasures.map((e) => e.id)).toEqual(newest.slice(0, 2));
    const second = await ops.list({ limit: 1, cursor: String(first.nextCursor) });
    expect(second.erasures.map((e) => e.id)).toEqual([newest[2]]);

    await ops.hold(String(ids[1]), 'why');
    const held = await ops.list({ held: true, state: 'scheduled' });
    expect(held.erasures.map((e) => [e.id, e.held?.reason])).toEqual([[ids[1], 'why']]);
    expect(held.nextCursor).toBeNull();
    expect((await ops.list({ held: false })).erasures.map((e) => e.id)).not.toContain(ids[1]);
    const account = String(accounts[0]?.account);
    await ops.cancel(String(ids[0]));
    const again = await ops.requestErasure(account);
    expect((await ops.list({ accountId: `00${account}` })).erasures.map((e) => e.id)).toEqual([again.id, ids[0]]);
    await world.sql`UPDATE lethe.erasure SET account_key = NULL, scrubbed_at = now() WHERE id = ${String(ids[0])}`;
    expect((await ops.list({ accountId: account, state: 'cancelled' })).erasures).toMatchObject([
      { id: ids[0], accountId: null },
    ]);
  });

  it('follow the Link of a page, and learn of every wrong parameter', async () => {
    const auth = { auth: `Bearer ${KEYS.admin}` };
    const page = await call('GET', '/v1/erasures?limit=2&state=scheduled', auth);
    const [, next] = /^<http:\/\/lethe\.test(.*)>; rel="next"$/.exec(String(page.headers.get('link'))) ?? [];
    expect(next).toBe(`/v1/erasures?limit=2&state=scheduled&cursor=${String(page.body.nextCursor)}`);
    const second = await call('GET', String(next), auth);
    expect(second.status).toBe(200);
    expect(second.body.erasures).not.toEqual(page.body.erasures);
    expect((await call('GET', '/v1/erasures?limit=200', auth)).headers.get('link')).toBeNull();
    for (const [query, field] of [
      ['limit=201', 'limit'],
      ['limit=x', 'limit'],
      ['limit=', 'limit'],
      ['limit=1&limit=2', 'limit'],
      ['state=done', 'state'],
      ['held=yes', 'held'],
      ['cursor=1', 'cursor'],
      ['accountId=alice', 'accountId'],
      ['stat=running', 'stat'],
    ]) {
      const refused = await call('GET', `/v1/erasures?${query}`, auth);
      expect(refused.body, query).toMatchObject({ status: 422, code: 'invalid_request', field });
    }
  });
});

describe('a status link', () => {
  it('is all that is needed for one erasure', async () => {
    const { account } = await subject(world.sql);
    const { id, statusUrl } = await withKey(KEYS.write).requestErasure(account);
    const link = openStatusLink(statusUrl, { baseUrl: call.base, fetch: checkedFetch });
    expect(link.erasureId).toBe(id);
    expect((await link.getErasure()).accountId).toBe(account);
    expect((await link.cancel()).state).toBe('cancelled');
  });

  it('knows where the API is, and what is no status link', async () => {
    const asked: string[] = [];
    const spy: typeof fetch = (input) => {
      asked.push(String(input));
      return fetch(`${call.base}/healthz`);
    };
    const id = '019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10';
    await openStatusLink(`https://x.test/lethe/status/${id}?token=v1.a`, { fetch: spy }).getErasure();
    expect(asked).toEqual([`https://x.test/lethe/v1/erasures/${id}?token=v1.a`]);
    for (const baseUrl of ['localhost:8080', 'lethe.example.net', '/lethe', 'https://', ''])
      for (const make of [
        () => createClient({ baseUrl, token: 'x' }),
        () => openStatusLink(`https://x.test/status/${id}?token=v1.a`, { baseUrl }),
      ])
        expect(make, baseUrl).toThrow(TypeError);
    for (const text of [`https://x.test/status/${id}`, `https://x.test/v1/erasures/${id}?token=v1.a`, 'nonsense'])
      expect(() => openStatusLink(text)).toThrow(TypeError);
  });
});

describe('following', () => {
  const PAUSES = { minDelayMs: 20, maxDelayMs: 100 };
  const all = async (erasures: AsyncIterable<Erasure>) => {
    const found: Erasure[] = [];
    for await (const erasure of erasures) found.push(erasure);
    return found;
  };

  it('gives the erasure until it is final, and then ends', async () => {
    const { account } = await subject(world.sql);
    const { id, statusUrl } = await withKey(KEYS.write).requestErasure(account);
    const link = openStatusLink(statusUrl, { baseUrl: call.base, fetch: checkedFetch });
    const followed = all(link.follow());
    const worker = await world.worker();
    await link.start();
    const erasures = await followed;
    await worker.stop();
    expect(erasures.at(-1)).toEqual(await link.getErasure());
    expect(erasures.at(-1)).toMatchObject({ id, state: 'completed', progress: { percent: 100, rowsDeleted: 1006 } });
    expect((await all(withKey(KEYS.read).follow(id))).map((e) => e.state)).toEqual(['completed']);
  });

  it('goes on after the API was away, and asks for the token again', async () => {
    const PORT = String(await freePort());
    const api = await startApi(world.config('api', { PORT }));
    running.push(api);
    const { account } = await subject(world.sql, LARGE);
    const { id } = await withKey(KEYS.write).requestErasure(account);
    let asked = 0;
    const token = async () => {
      asked++;
      return bearer(account);
    };
    const erasures = withKey(token, `http://127.0.0.1:${PORT}`).follow(id, PAUSES);
    expect((await erasures.next()).value).toMatchObject({ state: 'scheduled' });
    const next = erasures.next();
    await api.stop();
    await until('it has tried in vain', () => asked > 3);
    await withKey(KEYS.write).cancel(id);
    running.push(await startApi(world.config('api', { PORT })));
    expect((await next).value).toMatchObject({ state: 'cancelled' });
    expect((await erasures.next()).done).toBe(true);
  });

  it('throws where trying again is no use, and when it is told to stop', async () => {
    const { account } = await subject(world.sql);
    const { id } = await withKey(KEYS.write).requestErasure(account);
    expect((await refusal(withKey(KEYS.write).follow(id, PAUSES).next())).code).toBe('forbidden');
    const signedOut = withKey(() => Promise.reject(new Error('signed out'))).follow(id, PAUSES);
    await expect(signedOut.next()).rejects.toThrow('signed out');
    const controller = new AbortController();
    const erasures = withKey(KEYS.read).follow(id, { ...PAUSES, signal: controller.signal });
    await erasures.next();
    const next = erasures.next();
    controller.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });

  it('gives the status while there is no room for a stream, and comes back when it is told to', async () => {
    const api = await startApi(world.config('api'), { viewers: 0 });
    running.push(api);
    const { id } = await withKey(KEYS.write).requestErasure((await subject(world.sql)).account);
    const asked: string[] = [];
    const fetchSooner: typeof fetch = async (input, init) => {
      asked.push(new URL(String(input)).pathname.replace(id, ''));
      const answer = await checkedFetch(input, init);
      if (answer.status !== 429) return answer;
      expect(answer.headers.get('Retry-After')).toBe('30');
      return new Response(answer.body, {
        status: 429,
        headers: { 'Content-Type': String(answer.headers.get('Content-Type')), 'Retry-After': '1' },
      });
    };
    const client = createClient({ baseUrl: `http://127.0.0.1:${api.port}`, token: KEYS.read, fetch: fetchSooner });
    const erasures = client.follow(id, PAUSES);
    expect((await erasures.next()).value).toMatchObject({ id, state: 'scheduled' });
    const begun = performance.now();
    await withKey(KEYS.admin).hold(id, 'Legal case 7');
    expect((await erasures.next()).value).toMatchObject({ held: { since: expect.any(String) } });
    expect(performance.now() - begun).toBeGreaterThan(900);
    expect(asked).toEqual(['/v1/erasures//events', '/v1/erasures/', '/v1/erasures//events', '/v1/erasures/']);
    await erasures.return();
  });

  it.each([
    ['35 days', '3000000'],
    ['a number too large', '9'.repeat(400)],
    ['until a date', new Date(Date.now() + 90 * 86_400_000).toUTCString()],
  ])('waits when it is told to wait for very long: %s', async (_, retryAfter) => {
    let asked = 0;
    const controller = new AbortController();
    const away = createClient({
      baseUrl: 'http://lethe.test',
      token: 'x',
      fetch: async () => {
        asked++;
        return new Response(null, { status: 503, headers: { 'Retry-After': retryAfter } });
      },
    });
    const next = away.follow('x', { ...PAUSES, signal: controller.signal }).next();
    const end = performance.now() + 300;
    await until('time for many attempts has passed', () => performance.now() > end);
    expect(asked).toBe(1);
    controller.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
  });

  it('gives up where Lethe was never reached, or what answers is something else', async () => {
    let asked = 0;
    const never = (fetch: () => Promise<Response>) =>
      createClient({
        baseUrl: 'http://lethe.test',
        token: 'x',
        fetch: () => {
          asked++;
          return fetch();
        },
      }).follow('x', { minDelayMs: 1, maxDelayMs: 2 });
    await expect(never(() => Promise.reject(new TypeError('Failed to fetch'))).next()).rejects.toThrow(
      new TypeError('Failed to fetch'),
    );
    expect(asked).toBe(10);
    await expect(never(async () => new Response('<h1>Hello</h1>')).next()).rejects.toThrow('no event stream');
    expect(asked).toBe(20);
  });

  it('throws what its caller throws into it, and closes the connection', async () => {
    const api = await startApi(world.config('api'));
    running.push(api);
    const { id } = await withKey(KEYS.write).requestErasure((await subject(world.sql)).account);
    const erasures = withKey(KEYS.read, `http://127.0.0.1:${api.port}`).follow(id, PAUSES);
    await erasures.next();
    await expect(erasures.throw(new Error('from the caller'))).rejects.toThrow('from the caller');
    await until('nobody is connected', () => api.viewers.counts().viewers === 0);
  });

  it('closes its connection when the caller has seen enough, or the stream is silent', async () => {
    const api = await startApi(world.config('api'));
    running.push(api);
    const { id } = await withKey(KEYS.write).requestErasure((await subject(world.sql)).account);
    let connections = 0;
    const client = createClient({
      baseUrl: `http://127.0.0.1:${api.port}`,
      token: KEYS.read,
      fetch: (input, init) => {
        connections++;
        return checkedFetch(input, init);
      },
    });
    for await (const erasure of client.follow(id)) {
      expect(erasure.id).toBe(id);
      expect(api.viewers.counts().viewers).toBe(1);
      break;
    }
    await until('nobody is connected', () => api.viewers.counts().viewers === 0);
    const controller = new AbortController();
    const silent = client.follow(id, { ...PAUSES, quietMs: 500, signal: controller.signal });
    await silent.next();
    const next = silent.next();
    await until('it has connected again', () => connections > 3);
    controller.abort();
    await expect(next).rejects.toThrow('abort');
    await until('nobody is connected', () => api.viewers.counts().viewers === 0);
  });
});

describe('acknowledging for a partner', () => {
  it('settles the task of the message, and throws what is refused', async () => {
    const { account } = await subject(world.sql, SMALL);
    const { id: erasure } = await withKey(KEYS.write).requestErasure(account);
    const [of] = await world.sql`SELECT id FROM lethe.task WHERE erasure_id = ${erasure} LIMIT 1`;
    const id = randomUUID();
    await world.sql`INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, next_at)
      VALUES (${id}, ${erasure}, ${of?.id}, 'search', 1, 'accepted', 1, now())`;
    const to = { url: `${call.base}/v1/tasks/${id}/ack`, token: deriveToken([SECRET], 'ack', id) };
    const options = { fetch: checkedFetch };
    expect(await acknowledge(to, { status: 'failed', reason: 'no index' }, options)).toEqual({
      task: id,
      settled: false,
    });
    expect(await acknowledge(to, { task: id, status: 'erased' }, options)).toEqual({ task: id, settled: true });
    expect(await refusal(acknowledge({ ...to, token: 'wrong' }, { status: 'erased' }, options))).toMatchObject({
      code: 'unauthenticated',
    });
    const asked = messageOf({ account: '987654' });
    const answer = await checkedFetch(`${call.base}/v1/partner/erasures`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/cloudevents+json',
        ...signMessage(PARTNER_SECRET, { id: asked.id, at: new Date(), body: JSON.stringify(asked) }),
      },
      body: JSON.stringify(asked),
    });
    expect(await answer.json()).toEqual({ task: asked.id, status: 'not_found' });
    expect(() => acknowledge({ ...to, url: 'lethe' }, { status: 'erased' })).toThrow(TypeError);
  });
});

it('replaying many answers as the description says', async () => {
  const replay = (body: object) =>
    checkedFetch(`${call.base}/v1/replays`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${KEYS.admin}`, 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
  expect((await replay({ partner: 'nobody', dryRun: true })).status).toBe(200);
  expect((await replay({ partner: 'nul\u0000' })).status).toBe(422);
});

it('the answers above were of every operation of the API', () => {
  const answered = new Set([...seen].map((s) => s.replace(/ \d+$/, '')));
  expect(contracts.filter((c) => c.name.includes(' /v1/') && !answered.has(c.name)).map((c) => c.name)).toEqual([]);
});
