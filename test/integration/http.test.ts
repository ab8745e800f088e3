import { once } from 'node:events';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { board, cookieOf } from '../support/dashboard.ts';
import { accepted, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
let call: Call & { base: string };

beforeAll(async () => {
  world = await createWorld({
    env: {
      LETHE_DASHBOARD_USERS: `sue=support=${await hashPassword('correct horse')}`,
      LETHE_PUBLIC_URL: 'https://lethe.test',
    },
  });
  call = await world.api();
});
afterAll(() => world.close());

describe('the headers of an answer', () => {
  it('promise nothing about https for the hosts below', async () => {
    for (const path of ['/healthz', '/v1/erasures', '/admin/login', '/admin/queues', '/status/x', '/nothing'])
      expect((await call('GET', path)).headers.get('strict-transport-security'), path).toBeNull();
  });

  it('let no browser keep a page of the dashboard, but the files of the board', async () => {
    await until('Redis is there', async () => (await call('GET', '/readyz')).body.status === 'ok');
    const page = board(call, await cookieOf(call, 'sue', 'correct horse'));
    const html = await page('GET', '/');
    const file = /static\/js\/[\w.]+\.js/.exec(String(html.body.text))?.[0];
    for (const answer of [html, await page('GET', '/api/queues'), await call('GET', '/admin/login', { auth: null })])
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect((await call('GET', '/admin', { auth: null })).headers.get('cache-control')).toBe('no-store');
    const script = await page('GET', `/${file}`);
    expect([script.status, script.headers.get('cache-control')]).toEqual([200, null]);
    // The page says by its <base> where its files are.
    expect(String(html.body.text)).toContain('<base href="/admin/queues/"');
    expect(html.headers.get('content-security-policy')).toContain("base-uri 'self'");
  });
});

it('a body that takes longer than the database may is taken all the same', async () => {
  const { id } = await accepted(call, (await subject(world.sql)).account);
  const body = JSON.stringify({ reason: 'Legal case 7' });
  const sending = request(`${call.base}/v1/erasures/${id}/hold`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${KEYS.admin}`,
      'Content-Type': 'application/json',
      'Content-Length': body.length,
    },
  });
  const answered = once(sending, 'response');
  const begun = performance.now();
  sending.write(body.slice(0, 5));
  await until('the deadline of the database has passed', () => performance.now() - begun > 2_500);
  sending.end(body.slice(5));
  const [response] = await answered;
  response.resume();
  expect(response.statusCode).toBe(200);
});
