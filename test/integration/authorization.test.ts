import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { signMessage } from '../../src/partners/sign.ts';
import type { Resources } from '../../src/resources.ts';
import { deriveToken } from '../../src/tokens.ts';
import { cookieOf } from '../support/dashboard.ts';
import { messageOf, PARTNER_SECRET } from '../support/partner-message.ts';
import { request } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { type Call, createWorld, jwt, KEYS, READER_CATALOG, SECRET, type World } from '../support/world.ts';

/** Every table row of a section: the endpoint, and a status for each column's caller. */
function tableOf(title: string): { endpoint: string; caller: string; status: number }[] {
  const section =
    readFileSync('docs/authorization.md', 'utf8')
      .split(/^## /m)
      .find((s) => s.startsWith(title)) ?? '';
  const [head, , ...rows] = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  return rows.flatMap(([endpoint, ...cells]) =>
    cells.map((cell, i) => ({ endpoint: endpoint as string, caller: head?.[i + 1] as string, status: Number(cell) })),
  );
}

type Someone = { account: string; erasure: string; other: string; otherErasure: string; task: string };
type Credential = { auth: string | null; token?: string; headers?: Record<string, string> };
/** What the request says, for who signs it. */
type Body = string | undefined;

/** How each column's caller shows who it is. */
const CALLERS: Record<string, (s: Someone, body: Body) => Credential | Promise<Credential>> = {
  nobody: () => ({ auth: null }),
  JWT: async (s) => ({ auth: await jwt({ sub: s.account }) }),
  'JWT, old': async (s) => ({ auth: await jwt({ sub: s.account, authTime: Date.now() / 1000 - 3_600 }) }),
  'JWT, other': async (s) => ({ auth: await jwt({ sub: s.other }) }),
  token: (s) => ({ auth: null, token: deriveToken([SECRET], 'status', s.erasure) }),
  'token, other': (s) => ({ auth: null, token: deriveToken([SECRET], 'status', s.otherErasure) }),
  'erasures:write': () => ({ auth: `Bearer ${KEYS.write}` }),
  'erasures:read': () => ({ auth: `Bearer ${KEYS.read}` }),
  admin: () => ({ auth: `Bearer ${KEYS.admin}` }),
  'task token': (s) => ({ auth: `Bearer ${deriveToken([SECRET], 'ack', s.task)}` }),
  'task token, other': () => ({ auth: `Bearer ${deriveToken([SECRET], 'ack', randomUUID())}` }),
  signature: (s, body = '') => ({
    auth: null,
    headers: signMessage(PARTNER_SECRET, { id: s.task, at: new Date(), body }),
  }),
  dashboard: async () => ({ auth: null, headers: { Cookie: await opsCookie(), 'Sec-Fetch-Site': 'same-origin' } }),
};

let world: World;
let domain: Resources;
let base: string;
let opsCookie: () => Promise<string>;
let cookie: Promise<string> | undefined;

beforeAll(async () => {
  // Ten posts are many here: every cell has accounts of its own.
  world = await createWorld({ catalog: READER_CATALOG.replace('threshold: 1000', 'threshold: 5') });
  domain = await world.domain();
  const hash = await hashPassword('a long password');
  const api = await world.api({
    LETHE_DASHBOARD_USERS: `support=support=${hash},ops=ops=${hash}`,
    LETHE_PARTNER_SECRET: PARTNER_SECRET,
  });
  base = api.base;
  opsCookie = () => (cookie ??= cookieOf(api, 'ops', 'a long password'));
});
afterAll(() => world.close());

const erasures = async (account: string) =>
  JSON.stringify([
    await world.sql`SELECT * FROM lethe.erasure WHERE account_key = ${account} ORDER BY id`,
    await world.sql`SELECT c.* FROM lethe.call c JOIN lethe.erasure e ON e.id = c.erasure_id
                     WHERE e.account_key = ${account} ORDER BY c.id`,
  ]);

async function someone(endpoint: string): Promise<Someone> {
  const { account, bystander: other } = await subject(world.sql, 10);
  const otherErasure = await request(domain.ctx, other);
  const erasure = /^POST \/v1\/(accounts|partner)/.test(endpoint) ? otherErasure : await request(domain.ctx, account);
  if (/\/replays?$/.test(endpoint)) await world.sql`UPDATE lethe.erasure SET state = 'stalled' WHERE id = ${erasure}`;
  const task = randomUUID();
  if (endpoint.endsWith('/ack')) {
    const [of] = await world.sql`SELECT id FROM lethe.task WHERE erasure_id = ${erasure} LIMIT 1`;
    await world.sql`INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, next_at)
      VALUES (${task}, ${erasure}, ${of?.id}, 'search', 1, 'accepted', 1, now())`;
  }
  return { account, erasure, other, otherErasure, task };
}

/** What a request of this endpoint says. */
function bodyOf(endpoint: string, { account, task: id }: Someone): Body {
  if (endpoint === 'POST /v1/erasures/{id}/hold') return JSON.stringify({ reason: 'test' });
  if (endpoint === 'POST /v1/replays') return JSON.stringify({ failed: true });
  if (endpoint === 'POST /v1/tasks/{id}/ack') return JSON.stringify({ status: 'erased' });
  if (endpoint === 'POST /v1/partner/erasures') return JSON.stringify(messageOf({ id, account }));
  return undefined;
}

describe('who may what', () => {
  const cells = tableOf('The API');

  it('has a row for every endpoint of the API, and a caller for every column', async () => {
    const document = (await (await fetch(`${base}/openapi.json`)).json()) as { paths: Record<string, object> };
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace('{accountId}', '{id}')}`),
    );
    const rows = new Set(cells.map((c) => c.endpoint));
    expect([...rows].filter((row) => !row.includes('/status/')).sort()).toEqual(described.sort());
    expect([...new Set(cells.map((c) => c.caller))]).toEqual(Object.keys(CALLERS));
    expect(cells).toHaveLength(rows.size * Object.keys(CALLERS).length);
  });

  it.each(cells)('$endpoint by $caller: $status', async ({ endpoint, caller, status }) => {
    const s = await someone(endpoint);
    const body = bodyOf(endpoint, s);
    const { auth, token, headers } = await (CALLERS[caller] as (s: Someone, body: Body) => Promise<Credential>)(
      s,
      body,
    );
    const [method, path] = endpoint.split(' ') as [string, string];
    const id = path.startsWith('/v1/accounts') ? s.account : path.startsWith('/v1/tasks') ? s.task : s.erasure;
    const url = new URL(base + path.replace('{id}', id));
    if (token) url.searchParams.set('token', token);
    const form = path.startsWith('/status') && method === 'POST';
    const before = await erasures(s.account);
    const response = await fetch(url, {
      method,
      redirect: 'manual',
      headers: {
        ...headers,
        ...(auth ? { Authorization: auth } : {}),
        ...(body ? { 'Content-Type': 'application/json' } : {}),
        ...(form ? { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' } : {}),
      },
      body: body ?? (form ? new URLSearchParams({ token: token ?? '' }).toString() : null),
    });
    await response.body?.cancel();
    expect(response.status).toBe(status);
    if (status >= 400) expect(await erasures(s.account)).toBe(before);
    else if (method !== 'GET' && !endpoint.startsWith('DELETE /v1/erasures/{id}/hold'))
      expect(await erasures(s.account)).not.toBe(before);
  });
});

/** How each column's caller of the pages shows who it is; a form of another site has no way to know its token. */
const VISITORS: Record<string, () => { user: 'support' | 'ops' | null; site: string; auth: string | null }> = {
  nobody: () => ({ user: null, site: 'same-origin', auth: null }),
  support: () => ({ user: 'support', site: 'same-origin', auth: null }),
  ops: () => ({ user: 'ops', site: 'same-origin', auth: null }),
  'ops, other site': () => ({ user: 'ops', site: 'cross-site', auth: null }),
  'admin key': () => ({ user: null, site: 'same-origin', auth: `Bearer ${KEYS.admin}` }),
};

describe('who may what behind the login', () => {
  const cells = tableOf('The pages behind the login');
  const cookies: Record<string, string> = {};
  let pages: Call & { base: string };

  beforeAll(async () => {
    const hash = await hashPassword('a long password');
    pages = await world.api({ LETHE_DASHBOARD_USERS: `support=support=${hash},ops=ops=${hash}` });
    for (const name of ['support', 'ops']) cookies[name] = await cookieOf(pages, name, 'a long password');
  });

  /** The token of the forms that this user's pages carry. */
  async function tokenFor(user: string, erasure: string): Promise<string> {
    const headers = { Cookie: cookies[user] as string };
    const page = await (await fetch(`${pages.base}/admin/erasures/${erasure}/hold`, { headers })).text();
    return /name="csrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
  }

  it.each(cells)('$endpoint by $caller: $status', async ({ endpoint, caller, status }) => {
    const s = await someone(endpoint);
    const { user, site, auth } = (VISITORS[caller] as () => ReturnType<(typeof VISITORS)[string]>)();
    const [method, path] = endpoint.split(' ') as [string, string];
    const csrf = method === 'POST' && user && site === 'same-origin' ? await tokenFor(user, s.erasure) : '';
    if (endpoint.endsWith('/release'))
      await world.sql`UPDATE lethe.erasure SET held_at = now(), held_by = 'user:ann' WHERE id = ${s.erasure}`;
    const before = await erasures(s.account);
    const response = await fetch(pages.base + path.replace('{id}', s.erasure), {
      method,
      redirect: 'manual',
      headers: {
        ...(auth ? { Authorization: auth } : {}),
        ...(user ? { Cookie: cookies[user] as string } : {}),
        ...(method === 'GET'
          ? {}
          : { 'Sec-Fetch-Site': site, Origin: site === 'same-origin' ? pages.base : 'https://evil.example' }),
        ...(method === 'POST' ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}),
      },
      body: method === 'POST' ? new URLSearchParams({ csrf, reason: 'test' }).toString() : null,
    });
    await response.body?.cancel();
    expect(response.status).toBe(status);
    if (status === 303 && method === 'GET') expect(response.headers.get('location')).toBe('/admin/login');
    if (method === 'POST' && status === 303) expect(await erasures(s.account)).not.toBe(before);
    else expect(await erasures(s.account)).toBe(before);
  });

  it('has a caller for every column', () => {
    expect([...new Set(cells.map((c) => c.caller))]).toEqual(Object.keys(VISITORS));
    expect(cells.length).toBeGreaterThan(50);
  });
});
