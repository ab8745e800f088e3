import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Settlement, settleCalls } from '../../src/erasure/calls/settle.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import type { Resources } from '../../src/resources.ts';
import { deriveToken } from '../../src/tokens.ts';
import { complaintsOf, findViolations, openBrowser, overflowOf, takePicture } from '../support/browser.ts';
import { begin, run } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, jwt, KEYS, READER_CATALOG, SECRET, type World } from '../support/world.ts';

vi.setConfig({ testTimeout: 120_000 });

const PASSWORD = 'correct horse battery staple';
const PHONE = { width: 360, height: 740 };
/** Everything of a partner that its user must never meet. */
const SECRETS = /acme|plutonium|discovery|finance|crawlers|503|127\.0\.0\.1|kaput/i;
const CATALOG = `${READER_CATALOG}
  - { partner: acme-search, owner: discovery, data: what others find of you, http: { url: "http://127.0.0.1:9/plutonium", secret: "env:PARTNER_SECRET" } }
  - { partner: acme-billing, owner: finance, data: payments, http: { url: "http://127.0.0.1:9/finance", secret: "env:PARTNER_SECRET" } }
  - { partner: acme-crawlers, owner: crawlers, http: { url: "http://127.0.0.1:9/crawlers", secret: "env:PARTNER_SECRET" } }
`;

let world: World;
let call: Call & { base: string };
let domain: Resources;
let browser: Browser;
const open: { close: () => Promise<void> }[] = [];

beforeAll(async () => {
  world = await createWorld({
    catalog: CATALOG,
    env: {
      LETHE_DASHBOARD_USERS: `otto=ops=${await hashPassword(PASSWORD)}`,
      LETHE_BRAND_NAME: 'Reader',
      PARTNER_SECRET: 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0',
      LETHE_PRIVATE_HOSTS: '127.0.0.1',
    },
  });
  call = await world.api();
  domain = await world.domain();
  browser = await openBrowser([]);
});
afterEach(async () => {
  for (const context of open.splice(0)) await context.close();
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

async function openPage(address: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 }, ...options });
  open.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(40_000);
  const complaints = complaintsOf(page);
  await page.goto(address);
  return { page, complaints };
}

const callsOf = (id: string, partner?: string) => world.sql<{ id: string }[]>`
  SELECT id FROM lethe.call WHERE erasure_id = ${id} AND settled_at IS NULL
     AND (${partner ?? null}::text IS NULL OR partner = ${partner ?? null})`;
async function settle(id: string, partner: string, answer: Settlement['answer']) {
  const calls = await callsOf(id, partner);
  // As a worker has taken them.
  await world.sql`UPDATE lethe.call SET asked_at = now(), leased_until = now() + interval '1 minute' WHERE id = ANY(${calls.map((c) => c.id)})`;
  const asked = { partner, ackTimeoutMs: 3_600_000, probing: false, attempts: new Map(calls.map((c) => [c.id, 6])) };
  await settleCalls(
    domain.ctx,
    calls.map((c) => ({ id: c.id, answer })),
    asked,
  );
}

/** Its account is gone. One partner has acknowledged, one has accepted, and one is down. */
async function awaiting() {
  const { account } = await subject(world.sql, 20);
  const id = await begin(domain.ctx, account);
  expect((await run(domain.ctx, id)).kind).toBe('awaiting');
  await settle(id, 'acme-billing', { kind: 'done', words: '200, erased (kaput)' });
  await settle(id, 'acme-crawlers', { kind: 'accepted', words: '202, to be acknowledged (kaput)' });
  for (let n = 0; n < 5; n++)
    await settle(id, 'acme-search', { kind: 'later', words: '503 from acme.internal: kaput <b>', down: true });
  return { id, account };
}
const statusOf = (id: string) => `${call.base}/status/${id}?token=${deriveToken([SECRET], 'status', id)}`;

async function look(page: Page, name: string) {
  expect(await findViolations(page)).toEqual([]);
  await takePicture(page, name);
  await page.setViewportSize(PHONE);
  expect(await overflowOf(page)).toBe(0);
  await takePicture(page, `${name}-phone`);
  await page.setViewportSize({ width: 1280, height: 900 });
}

describe('the user, while partners are awaited', () => {
  it.each(['light', 'dark'] as const)(
    'reads which kinds of data are not confirmed, and no system (%s)',
    async (colorScheme) => {
      const { id } = await awaiting();
      const { page, complaints } = await openPage(statusOf(id), { colorScheme, reducedMotion: 'reduce' });
      const text = String(await page.locator('main').textContent());
      expect(text).toContain('Your account is gone here. Other systems that have a part of your data are being told');
      expect(text).toContain('Not confirmed yet: data in connected services and what others find of you.');
      expect(text).toMatch(/Payments\s+Deleted/);
      expect(text).not.toMatch(/completed|has been deleted/i);
      expect(await page.content()).not.toMatch(SECRETS);
      await look(page, `awaiting-${colorScheme}`);
      expect(complaints).toEqual([]);
    },
  );

  it('learns from events alone that the last one has confirmed', async () => {
    const { id } = await awaiting();
    const { page } = await openPage(statusOf(id));
    await settle(id, 'acme-crawlers', { kind: 'done', words: 'acknowledged' });
    await until(
      'the page says so',
      async () =>
        String(await page.locator('main').textContent()).includes('Not confirmed yet: what others find of you.') ||
        String(await page.locator('li', { hasText: 'Data in connected services' }).textContent()).includes('Deleted'),
    );
    await settle(id, 'acme-search', { kind: 'done', words: '204' });
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await page.getByRole('heading', { name: 'Your account has been deleted' }).waitFor();
    expect(await page.content()).not.toMatch(SECRETS);
    await look(page, 'completed');
  });

  it('is told nothing of a partner by the API and its stream either; a key is told how it stands', async () => {
    const { id, account } = await awaiting();
    const token = deriveToken([SECRET], 'status', id);
    for (const [path, auth] of [
      [`/v1/erasures/${id}?token=${token}`, null],
      [`/v1/erasures/${id}`, await jwt({ sub: account })],
    ] as const) {
      const { status, body } = await call('GET', path, { auth });
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toMatch(SECRETS);
      expect(JSON.stringify(body)).toContain('"name":"payments","owner":""');
    }
    const stream = await fetch(`${call.base}/v1/erasures/${id}/events?token=${token}`);
    const first = new TextDecoder().decode((await stream.body?.getReader().read())?.value);
    expect(first).toContain('event: snapshot');
    expect(first).not.toMatch(SECRETS);
    const { body } = await call('GET', `/v1/erasures/${id}`, { auth: `Bearer ${KEYS.read}` });
    const locations = (body.progress as { locations: { name: string }[] }).locations;
    expect(locations.find((l) => l.name === 'acme-search')).toMatchObject({
      state: 'awaiting',
      lastAnswer: '503 from acme.internal: kaput <b>',
      nextTryAt: expect.stringMatching(/Z$/),
    });
  });
});

describe('support, while partners are awaited', () => {
  it('sees who is outstanding, the last answer, the next try and the circuit, and asks again', async () => {
    const { id } = await awaiting();
    const { page, complaints } = await openPage(`${call.base}/admin/login`);
    await page.getByLabel('Name').fill('otto');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${call.base}/admin/erasures`);
    const partners = page.locator('details.partners');
    expect(await partners.locator('summary').textContent()).toBe('3 partners, 1 cannot be asked now');
    expect(await partners.textContent()).toContain('503 from acme.internal: kaput <b>');
    await look(page, 'support-partners');

    await page.goto(`${call.base}/admin/erasures/${id}`);
    const table = String(await page.locator('table.locations').textContent());
    expect(table).toContain('Circuit open since');
    expect(table).toContain('503 from acme.internal: kaput <b>');
    expect(table).toContain('or once a probe is answered');
    expect(table).toContain('Accepted, acknowledgement awaited');
    await look(page, 'support-awaiting');
    await page.getByRole('link', { name: 'Replay' }).click();
    await page.getByRole('button', { name: 'Replay' }).click();
    await page.waitForURL(`${call.base}/admin/erasures/${id}`);
    expect(await page.locator('.notice').textContent()).toContain('Partners are asked again');
    expect(await page.locator('.timeline').textContent()).toContain('Asked again by otto: acme-billing');
    expect(complaints).toEqual([]);
  });
});
