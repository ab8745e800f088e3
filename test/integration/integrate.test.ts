import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../dev/free-port.ts';
import { type Running, start, stop, waitForOutput } from '../../dev/process.ts';
import { LARGE, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

const JWT_SECRET = 'j'.repeat(40);
const SIGN_OUT_SECRET = 'o'.repeat(40);
const GUIDE = readFileSync('docs/integrate.md', 'utf8');
const EXAMPLE = /```js\n([\s\S]+?)```/.exec(GUIDE)?.[1] ?? '';

let world: World;
let folder: string;
let application: Running;
let base: string;

beforeAll(async () => {
  world = await createWorld();
  // Inside the project, so that the example finds its packages.
  folder = mkdtempSync('test/.integrate-');
  writeFileSync(`${folder}/application.mjs`, EXAMPLE);
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  const signOut = { LETHE_SIGN_OUT_URL: `${base}/backchannel-logout`, LETHE_SIGN_OUT_SECRET: SIGN_OUT_SECRET };
  const call = await world.api(signOut);
  await world.worker(signOut);
  application = start(process.execPath, [`${folder}/application.mjs`], {
    env: {
      DATABASE_URL: world.url,
      LETHE_URL: call.base,
      LETHE_PUBLIC_URL: 'http://lethe.test',
      JWT_SECRET,
      SIGN_OUT_SECRET,
      PORT: String(port),
    },
  });
  await waitForOutput(application, (output) => output.includes('listening'), 50_000, 'the example');
});
afterAll(async () => {
  await stop(application, 'SIGKILL');
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

const ask = async (method: string, path: string, options: { token?: unknown; body?: object } = {}) => {
  const response = await fetch(base + path, {
    method,
    headers: {
      ...(options.token ? { Authorization: `Bearer ${options.token}` } : {}),
      ...(options.body ? { 'Content-Type': 'application/json' } : {}),
    },
    ...(options.body ? { body: JSON.stringify(options.body) } : {}),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe('the example of docs/integrate.md', () => {
  it('has about forty lines', () => {
    const lines = EXAMPLE.trim()
      .split('\n')
      .filter((line) => line.trim() !== '');
    expect(lines.length).toBeGreaterThan(25);
    expect(lines.length).toBeLessThanOrEqual(45);
  });

  it('signs in, deletes, is signed out everywhere, and refuses to sign in until the undo', async () => {
    const { email } = await subject(world.sql, LARGE);
    const { token } = (await ask('POST', '/sign-in', { body: { email } })).body;
    expect((await ask('GET', '/me/feeds', { token })).status).toBe(200);
    const asked = await ask('POST', '/me/delete', { token });
    expect([asked.status, asked.body.state]).toEqual([202, 'scheduled']);
    expect((await ask('POST', '/sign-in', { body: { email } })).status).toBe(403);
    await until('the token is refused', async () => (await ask('GET', '/me/feeds', { token })).status === 401);
    await world.sql`UPDATE lethe.erasure SET starts_at = now() + interval '1 hour' WHERE id = ${String(asked.body.id)}`;
    const api = await world.api();
    const undone = await api('DELETE', `/v1/erasures/${asked.body.id}`);
    expect([undone.status, undone.body.state]).toEqual([200, 'cancelled']);
    expect((await ask('POST', '/sign-in', { body: { email } })).status).toBe(200);
  });

  it('refuses a logout token that somebody else signed', async () => {
    const response = await fetch(`${base}/backchannel-logout`, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: 'e30.e30.e30' }),
    });
    expect(response.status).toBe(500);
  });
});
