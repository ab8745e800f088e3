import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { type FolderProxy, startFolderProxy } from '../support/folder-proxy.ts';
import { LARGE, subject } from '../support/subject.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

const PASSWORD = 'a long password';
let world: World;
const proxies: FolderProxy[] = [];

beforeAll(async () => {
  const hash = await hashPassword(PASSWORD);
  world = await createWorld({ env: { LETHE_DASHBOARD_USERS: `olga=ops=${hash}`, LETHE_UNDO_WINDOW: '1h' } });
});
afterAll(async () => {
  for (const proxy of proxies) proxy.close();
  await world?.close();
});

/** An API at `folder` behind a proxy. */
async function behind(folder: string, takesOff: boolean) {
  const proxy = await startFolderProxy(folder, takesOff);
  proxies.push(proxy);
  const api = await world.api({ LETHE_PUBLIC_URL: `${proxy.origin}${folder}/` });
  proxy.pointAt(api.base);
  return { origin: proxy.origin, api: api.base };
}

const ADDRESSES = /\s(?:href|src|action|data-events)="([^"]*)"/g;
const unescaped = (text: string) => text.replaceAll('&amp;', '&');

describe.each([
  ['/lethe', true],
  ['/lethe', false],
  ['/tools/lethe', false],
  ['/v1', true],
  ['/v1', false],
  ['/admin', false],
])('below %s, where the proxy takes it off: %s', (folder, takesOff) => {
  let origin: string;
  let direct: string;
  let cookie = '';
  beforeAll(async () => {
    ({ origin, api: direct } = await behind(folder, takesOff));
  });

  const ask = (path: string, options: RequestInit & { headers?: Record<string, string> } = {}) =>
    fetch(new URL(path, origin), {
      redirect: 'manual',
      ...options,
      headers: { ...(cookie ? { Cookie: cookie } : {}), ...options.headers },
    });
  const asKey = (path: string, options: RequestInit = {}) =>
    ask(path, { ...options, headers: { Authorization: `Bearer ${KEYS.admin}`, 'Content-Type': 'application/json' } });
  const location = (answer: Response) => String(answer.headers.get('location'));
  const form = (path: string, fields: Record<string, string>) =>
    ask(path, {
      method: 'POST',
      body: new URLSearchParams(fields).toString(),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Origin: origin },
    });
  /** All addresses in a page lead somewhere: the page's text and what it names. */
  async function page(path: string) {
    const answer = await ask(path);
    expect([path, answer.status]).toEqual([path, 200]);
    const text = await answer.text();
    const addresses = [...text.matchAll(ADDRESSES)].map((m) => unescaped(m[1] as string));
    const own = addresses.filter((address) => !/^(data:|#)/.test(address));
    expect(own.length).toBeGreaterThan(0);
    for (const address of own) {
      expect(address.slice(0, folder.length + 1)).toBe(`${folder}/`);
      expect((await ask(address, { method: 'HEAD' })).status).not.toBe(502);
    }
    return { text, own };
  }

  it('the API says where things are', async () => {
    const { account } = await subject(world.sql, LARGE);
    const asked = await asKey(`${folder}/v1/accounts/${account}/erasure`, { method: 'POST', body: '{}' });
    expect(asked.status).toBe(202);
    const { id, statusUrl } = (await asked.json()) as { id: string; statusUrl: string };
    expect(location(asked)).toBe(`${folder}/v1/erasures/${id}`);
    expect((await asKey(location(asked))).status).toBe(200);
    expect(statusUrl).toMatch(`${origin}${folder}/status/${id}?`);
    // Who calls it without the proxy follows the same answers.
    for (const path of [location(asked), `/v1/erasures/${id}`]) {
      const answer = await fetch(direct + path, { headers: { Authorization: `Bearer ${KEYS.read}` } });
      expect([path, answer.status]).toEqual([path, 200]);
    }
    const document = (await (await ask(`${folder}/openapi.json`)).json()) as { servers: { url: string }[] };
    expect(document.servers.map((s) => s.url)).toEqual([folder]);
    const list = await asKey(`${folder}/v1/erasures?limit=1`);
    const next = /<([^>]*)>/.exec(String(list.headers.get('link')))?.[1];
    if (next) expect((await asKey(next)).status).toBe(200);
    for (const probe of ['healthz', 'readyz']) {
      expect((await ask(`${folder}/${probe}`)).status).toBe(200);
      expect((await fetch(`${direct}/${probe}`)).status).toBe(200);
    }

    const shown = await page(statusUrl);
    const events = shown.own.find((address) => address.includes('/events?')) as string;
    const stream = await ask(events);
    expect(stream.headers.get('content-type')).toBe('text/event-stream');
    await stream.body?.cancel();
    const question = shown.own.find((address) => address.includes('/start?')) as string;
    await page(question);
    const undo = shown.own.find((address) => address.endsWith('/undo')) as string;
    const token = String(new URL(statusUrl).searchParams.get('token'));
    const undone = await form(undo, { token });
    expect(undone.status).toBe(303);
    expect((await page(location(undone))).text).toContain('data-shown="cancelled"');
  });

  it('somebody signs in, looks, acts and signs out', async () => {
    const { account } = await subject(world.sql, LARGE);
    const asked = await asKey(`${folder}/v1/accounts/${account}/erasure`, { method: 'POST', body: '{}' });
    const { id } = (await asked.json()) as { id: string };
    let answer = await ask(`${folder}/admin`);
    while (answer.status === 303) answer = await ask(location(answer));
    expect(new URL(answer.url).pathname).toBe(`${folder}/admin/login`);
    const { own } = await page(answer.url);
    const signedIn = await form(own.find((address) => address.endsWith('/login')) as string, {
      name: 'olga',
      password: PASSWORD,
    });
    expect([signedIn.status, location(signedIn)]).toEqual([303, `${folder}/admin/erasures`]);
    const [pair, ...attributes] = String(signedIn.headers.get('set-cookie')).split('; ');
    expect(attributes).toContain(`Path=${folder}/admin`);
    cookie = pair as string;

    const list = await page(location(signedIn));
    const entry = list.own.find((address) => address.endsWith(id)) as string;
    const detail = await page(entry);
    const hold = detail.own.find((address) => address.endsWith('/hold')) as string;
    const asks = await page(hold);
    const csrf = /name="csrf" value="([^"]*)"/.exec(asks.text)?.[1] as string;
    const held = await form(hold, { csrf, reason: 'Legal case 7' });
    expect(location(held)).toBe(`${folder}/admin/erasures/${id}?notice=hold`);
    await page(location(held));

    const board = await (await ask(`${folder}/admin/queues`)).text();
    expect(board).toContain(`<base href="${folder}/admin/queues/"`);
    const files = [...board.matchAll(/(?:href|src)="([^"]*static[^"]*)"/g)].map((m) => m[1] as string);
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) {
      const got = await ask(new URL(file, `${origin}${folder}/admin/queues/`).href);
      expect([file, got.status]).toEqual([file, 200]);
      expect(got.headers.get('content-type')).not.toContain('html');
    }
    const queues = await ask(`${folder}/admin/queues/api/queues`);
    expect(((await queues.json()) as { queues: unknown[] }).queues.length).toBeGreaterThan(3);

    const out = await form(`${folder}/admin/logout`, {});
    expect([out.status, location(out)]).toEqual([303, `${folder}/admin/login`]);
    expect(String(out.headers.get('set-cookie'))).toContain(`Path=${folder}/admin`);
    cookie = '';
    expect(location(await ask(`${folder}/admin/erasures`))).toBe(`${folder}/admin/login`);
  });
});
