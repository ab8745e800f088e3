import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PostgresServer, startPostgres } from '../../dev/postgres.ts';
import { accepted, expectProblem, subject } from '../support/subject.ts';
import { createTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';
import { type Answer, type Call, createWorld, KEYS, type World } from '../support/world.ts';

const LISTED = ['https://app.example.com', 'http://localhost:3000'];
const EXPOSED = ['location', 'retry-after', 'link', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'];
let postgres: PostgresServer;
let world: World;
let call: Call & { base: string };
let id: string;

beforeAll(async () => {
  postgres = await startPostgres();
  await createTemplate(postgres);
  world = await createWorld({ postgresUrl: postgres.url(), env: { LETHE_CORS_ORIGINS: LISTED.join(', ') } });
  call = await world.api();
  ({ id } = await accepted(call, (await subject(world.sql)).account));
});
afterAll(async () => {
  await world?.close();
  await postgres?.destroy();
});

const list = (answer: { headers: Headers }, name: string) =>
  (answer.headers.get(name) ?? '')
    .toLowerCase()
    .split(/\s*,\s*/)
    .filter(Boolean);
const corsHeaders = (headers: Headers) => [...headers.keys()].filter((name) => name.startsWith('access-control-'));

function expectReadable(answer: { headers: Headers }, origin: string) {
  expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
  expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
  expect(list(answer, 'access-control-expose-headers')).toEqual(EXPOSED);
  expect(list(answer, 'vary')).toContain('origin');
}

const preflight = (api: Call, path: string, origin: string, method = 'POST') =>
  api('OPTIONS', path, {
    auth: null,
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': method,
      'Access-Control-Request-Headers': 'authorization,content-type,idempotency-key',
    },
  });

describe('a listed origin', () => {
  it.each(LISTED)('%s gets its preflight answered, without a credential', async (origin) => {
    for (const path of ['/v1/accounts/1/erasure', `/v1/erasures/${id}`, '/openapi.json']) {
      const answer = await preflight(call, path, origin);
      expect(answer.status).toBe(204);
      expectReadable(answer, origin);
      expect(list(answer, 'access-control-allow-methods')).toEqual(['get', 'post', 'delete']);
      expect(list(answer, 'access-control-allow-headers')).toEqual([
        'authorization',
        'content-type',
        'idempotency-key',
        'last-event-id',
      ]);
      expect(Number(answer.headers.get('access-control-max-age'))).toBeGreaterThanOrEqual(60);
    }
  });

  const headers = { Origin: LISTED[0] as string };

  it('may read what it asked for', async () => {
    const { account } = await subject(world.sql);
    const answer = await call('POST', `/v1/accounts/${account}/erasure`, { body: {}, headers });
    expect(answer.status).toBe(202);
    expectReadable(answer, headers.Origin);
    expect(answer.headers.get('location')).toBe(`/v1/erasures/${answer.body.id}`);
  });

  it.each<[string, number, string, () => Promise<Answer>]>([
    ['without a credential', 401, 'unauthenticated', () => call('GET', `/v1/erasures/${id}`, { auth: null, headers })],
    ['beyond its scope', 403, 'forbidden', () => call('GET', `/v1/erasures/${id}`, { headers })],
    ['for what is not there', 404, 'not_found', () => call('GET', '/v1/nothing', { headers })],
    ['that is not valid', 422, 'invalid_request', () => call('POST', '/v1/accounts/x/erasure', { headers })],
    [
      'that is too large',
      413,
      'payload_too_large',
      () => call('POST', '/v1/accounts/1/erasure', { headers, raw: 'x'.repeat(20_000) }),
    ],
  ])('may read the error of a request %s', async (_, status, code, ask) => {
    const answer = await ask();
    expectProblem(answer, status, code);
    expectReadable(answer, headers.Origin);
  });

  it('may read that it has asked too often', async () => {
    const limited = await world.api({ LETHE_RATE_LIMIT: '1' });
    const answer = await until('the limit is reached', async () => {
      const next = await limited('GET', `/v1/erasures/${id}`, { auth: `Bearer ${KEYS.read}`, headers });
      return next.status === 429 && next;
    });
    expectProblem(answer, 429, 'rate_limited');
    expectReadable(answer, headers.Origin);
    expect((await preflight(limited, `/v1/erasures/${id}`, headers.Origin, 'GET')).status).toBe(204);
  });

  it('may read a stream', async () => {
    const stop = new AbortController();
    const response = await fetch(`${call.base}/v1/erasures/${id}/events`, {
      headers: { ...headers, Authorization: `Bearer ${KEYS.read}` },
      signal: stop.signal,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expectReadable(response, headers.Origin);
    const first = await response.body?.getReader().read();
    expect(first?.value?.length).toBeGreaterThan(0);
    stop.abort();
  });

  it('may read that a row is missing a column, and that the database is away', async () => {
    await world.sql`ALTER TABLE lethe.erasure RENAME COLUMN state TO status`;
    const broken = await call('GET', `/v1/erasures/${id}`, { auth: `Bearer ${KEYS.read}`, headers });
    await world.sql`ALTER TABLE lethe.erasure RENAME COLUMN status TO state`;
    expect(broken.status).toBe(500);
    expectReadable(broken, headers.Origin);
    await postgres.stop();
    const away = await call('GET', `/v1/erasures/${id}`, { auth: `Bearer ${KEYS.read}`, headers });
    await postgres.start();
    expectProblem(away, 503, 'database_unavailable');
    expectReadable(away, headers.Origin);
  });
});

describe('an origin that is not listed', () => {
  it.each([
    'https://evil.example.com',
    'https://app.example.com.evil.com',
    'https://app.example.com:8443',
    'http://app.example.com',
    'https://APP.example.com',
    'null',
    '*',
  ])('%s gets no CORS header', async (origin) => {
    const answers = [
      await preflight(call, '/v1/accounts/1/erasure', origin),
      await call('GET', `/v1/erasures/${id}`, { headers: { Origin: origin } }),
      await call('GET', `/v1/erasures/${id}`, { headers: { Origin: origin }, auth: null }),
    ];
    for (const answer of answers) {
      expect(corsHeaders(answer.headers)).toEqual([]);
      expect(list(answer, 'vary')).toContain('origin');
    }
    expect(answers[0]?.status).not.toBe(204);
  });

  it('gets none elsewhere either, and nobody by default', async () => {
    const none = await world.api({ LETHE_CORS_ORIGINS: '' });
    const headers = { Origin: LISTED[0] as string };
    expect(corsHeaders((await call('GET', '/admin/login', { headers })).headers)).toEqual([]);
    expect(corsHeaders((await none('GET', `/v1/erasures/${id}`, { headers })).headers)).toEqual([]);
    expect(corsHeaders((await preflight(none, `/v1/erasures/${id}`, headers.Origin)).headers)).toEqual([]);
  });
});
