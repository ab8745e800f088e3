import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { complaintsOf, findViolations, openBrowser, overflowOf, takePicture } from '../support/browser.ts';
import { stateOf } from '../support/progress.ts';
import { accepted, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

vi.setConfig({ testTimeout: 120_000 });

const PASSWORDS = { sue: 'correct horse battery staple', otto: 'pässwörd with spaces' };
const SCHEMES = ['light', 'dark'] as const;
const PHONE = { width: 360, height: 740 };
const HOSTILE = '<img src=x onerror="document.title=\'hacked\'">';

let world: World;
let call: Call & { base: string };
let browser: Browser;
/** The API under a plain-http name: there browsers send no Sec-Fetch-Site, and `Origin` alone must do. */
let base: string;
const open: { close: () => Promise<void> }[] = [];

beforeAll(async () => {
  const users = [`sue=support=${await hashPassword(PASSWORDS.sue)}`, `otto=ops=${await hashPassword(PASSWORDS.otto)}`];
  world = await createWorld({
    env: {
      LETHE_DASHBOARD_USERS: users.join(','),
      // Slow enough to be watched.
      LETHE_CHUNK_ROWS: '200',
      LETHE_GLOBAL_CONCURRENCY: '1',
    },
  });
  call = await world.api();
  base = `http://lethe.test:${new URL(call.base).port}`;
  await until('it has reached Redis', async () => (await call('GET', '/readyz')).body.status === 'ok');
  browser = await openBrowser(['--host-resolver-rules=MAP lethe.test 127.0.0.1']);
});
afterEach(async () => {
  for (const context of open.splice(0)) await context.close();
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** A window of its own, and what its pages complain about. */
async function openPage(options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 }, ...options });
  open.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(40_000);
  return { page, context, complaints: complaintsOf(page) };
}

/** Signs in through the form, and arrives at the list. */
async function signedIn(name: keyof typeof PASSWORDS, options: BrowserContextOptions = {}, at = call.base) {
  const opened = await openPage(options);
  await opened.page.goto(`${at}/admin`);
  expect(opened.page.url()).toBe(`${at}/admin/login`);
  await opened.page.getByLabel('Name').fill(name);
  await opened.page.getByLabel('Password').fill(PASSWORDS[name]);
  await opened.page.getByRole('button', { name: 'Sign in' }).click();
  await opened.page.waitForURL(`${at}/admin/erasures`);
  return opened;
}

const detail = (id: string, at = call.base) => `${at}/admin/erasures/${id}`;
const heading = (page: Page) => page.getByRole('heading', { level: 1 });

/** A large account whose erasure runs while no worker is there. */
async function running(posts = 2000) {
  const { account } = await subject(world.sql, posts);
  const { id } = await accepted(call, account);
  expect((await call('POST', `/v1/erasures/${id}/start`)).status).toBe(202);
  return { id, account };
}

/** One whose step fails: a table that nobody has listed points at the accounts since the worker has started. */
async function stalled() {
  const { account } = await subject(world.sql, 2000);
  const { id } = await accepted(call, account);
  const worker = await world.worker();
  await world.sql`CREATE TABLE comments (id bigint PRIMARY KEY, account_id bigint REFERENCES accounts (id))`;
  expect((await call('POST', `/v1/erasures/${id}/start`)).status).toBe(202);
  await until('it has stalled', async () => (await stateOf(world.sql, id)) === 'stalled');
  await worker.stop();
  return { id };
}

describe('ops', () => {
  it('finds a running erasure, holds it with a reason, releases it, and watches it complete', async () => {
    const { id, account } = await running();
    const { page, complaints } = await signedIn('otto');
    await page.getByLabel('Account or erasure').fill(` ${account} `);
    await page.getByRole('button', { name: 'Search' }).click();
    await page.locator('td a.id').click();
    expect(page.url()).toBe(detail(id));
    expect(await heading(page).textContent()).toContain('Running');

    await page.getByRole('link', { name: 'Hold' }).click();
    await page.getByLabel('Reason').fill(HOSTILE);
    await page.getByRole('button', { name: 'Hold' }).click();
    await page.waitForURL(detail(id));
    expect(await heading(page).textContent()).toContain('On hold');
    expect(await page.locator('.notice').textContent()).toContain('On hold.');
    expect(await page.locator('.reason').textContent()).toContain(HOSTILE);
    expect(await page.locator('.next').textContent()).toMatch(/^On hold since \d\d:\d\d UTC, .*, by otto\.$/);
    const [row] = await world.sql`SELECT held_by, hold_reason FROM lethe.erasure WHERE id = ${id}`;
    expect(row).toEqual({ held_by: 'user:otto', hold_reason: HOSTILE });

    const worker = await world.worker();
    await page.getByRole('link', { name: 'Release' }).click();
    await page.getByRole('button', { name: 'Release' }).click();
    await page.waitForURL(detail(id));
    // Without a reload: the page asks for itself.
    await page.evaluate('window.same = true');
    await page.locator('h1 .state.completed').waitFor({ timeout: 60_000 });
    expect(await page.evaluate('window.same')).toBe(true);
    await until('the page has come to rest', async () =>
      (await page.locator('.mails').textContent())?.includes('sent'),
    );
    expect(await page.locator('.timeline').textContent()).toMatch(/Put on hold by otto.*Released by otto.*Completed/s);
    expect(await page.getByRole('link', { name: 'Hold' }).count()).toBe(0);
    expect(await page.title()).not.toContain('hacked');
    expect(complaints).toEqual([]);
    await worker.stop();
  });

  it('reads why one has stalled, and replays it when that is mended', async () => {
    const { id } = await stalled();
    const { page, complaints } = await signedIn('otto');
    await page.getByRole('link', { name: /stalled/ }).click();
    await page.locator(`a.id[href$="${id}"]`).click();
    expect(await page.locator('.error').textContent()).toContain('The catalog and the database do not fit together');
    expect(await page.locator('.next').textContent()).toMatch(/^Retries at /);
    await takePicture(page, 'support-stalled');
    await world.sql`DROP TABLE comments`;
    const worker = await world.worker();
    await page.getByRole('link', { name: 'Replay' }).click();
    await page.getByRole('button', { name: 'Replay' }).click();
    await page.locator('h1 .state.completed').waitFor({ timeout: 60_000 });
    expect(await page.locator('.timeline').textContent()).toContain('Replayed by otto');
    expect(complaints).toEqual([]);
    await worker.stop();
  });

  it('sees it move without a reload, and keeps the place', async () => {
    const { id } = await running();
    const { page } = await signedIn('otto');
    await page.goto(detail(id));
    await page.getByRole('link', { name: 'Hold' }).focus();
    const [task] = await world.sql`UPDATE lethe.task SET state = 'running', rows_planned = 2000
      WHERE erasure_id = ${id} AND location = 'posts' RETURNING id`;
    await world.sql`UPDATE lethe.task SET rows_planned = 0 WHERE erasure_id = ${id} AND rows_planned IS NULL`;
    await world.sql`INSERT INTO lethe.chunk (task_id, pass, number, rows_planned, rows_deleted, finished_at)
      VALUES (${task?.id}, 1, 1, 1500, 1500, now()), (${task?.id}, 1, 2, 500, 20, NULL)`;
    const bar = page.getByRole('progressbar', { name: 'posts' });
    await until('the bar has moved', async () => (await bar.getAttribute('value')) === '1520');
    expect(await page.locator('dl').textContent()).toContain('75%');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Hold');
    await takePicture(page, 'support-running');
    await page.context().clearCookies();
    await page.getByText('This page is not up to date').waitFor();
  });

  it('starts one before its time, and signs out', async () => {
    const { account } = await subject(world.sql);
    const { id } = await accepted(call, account);
    const { page } = await signedIn('otto', {}, base);
    await page.goto(detail(id, base));
    expect(await page.locator('.next').textContent()).toMatch(/^Starts at (\d+ \w+, )?\d\d:\d\d UTC, in /);
    await page.getByRole('link', { name: 'Start now' }).click();
    await page.getByRole('button', { name: 'Start now' }).click();
    await page.waitForURL(detail(id, base));
    expect(await heading(page).textContent()).toContain('Running');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${base}/admin/login`);
    await page.goto(detail(id, base));
    expect(page.url()).toBe(`${base}/admin/login`);
  });

  it('works without script', async () => {
    const { id } = await running();
    const { page } = await signedIn('otto', { javaScriptEnabled: false }, base);
    await page.goto(detail(id, base));
    await page.getByRole('link', { name: 'Hold' }).click();
    await page.getByLabel('Reason').fill('legal case 7');
    await page.getByRole('button', { name: 'Hold' }).click();
    await page.waitForURL(`${detail(id, base)}?notice=hold`);
    expect(await page.locator('.reason').textContent()).toContain('legal case 7');
  });
});

describe('support', () => {
  it('sees no buttons, and is refused when it goes around them', async () => {
    const { id } = await running();
    const { page } = await signedIn('sue');
    await page.goto(detail(id));
    expect(await page.locator('.actions').textContent()).toBe('');
    expect(await page.locator('form').count()).toBe(1);
    expect((await page.goto(`${detail(id)}/hold`))?.status()).toBe(403);
    const posted = await page.evaluate(
      `fetch('${detail(id)}/hold', { method: 'POST', body: new URLSearchParams({ reason: 'x' }) }).then((r) => r.status)`,
    );
    expect(posted).toBe(403);
    const [row] = await world.sql`SELECT held_at FROM lethe.erasure WHERE id = ${id}`;
    expect(row?.held_at).toBeNull();
  });
});

describe('another site', () => {
  let server: Server;
  let target = '';
  beforeAll(async () => {
    server = createServer((_, answer) => {
      answer.setHeader('Content-Type', 'text/html');
      answer.end(`<form method="post" action="${target}"><input name="reason" value="evil"></form>
        <script>document.forms[0].submit()</script>`);
    }).listen(0);
    await until('it listens', () => server.listening);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it.each([
    // The cookie is not sent.
    ['localhost', '127.0.0.1', 401],
    // The same site on another port: the cookie is sent, and the browser says where the form is from.
    ['127.0.0.1', '127.0.0.1', 403],
    // The same, where browsers do not say it in Sec-Fetch-Site.
    ['lethe.test', 'lethe.test', 403],
  ])('on %s cannot hold an erasure of %s with an operator’s browser', async (from, to, status) => {
    const { id } = await running();
    const at = `http://${to}:${new URL(call.base).port}`;
    const { page } = await signedIn('otto', {}, at);
    target = `${detail(id, at)}/hold`;
    const answered = page.waitForResponse((response) => response.url() === target);
    await page.goto(`http://${from}:${(server.address() as AddressInfo).port}/`);
    expect((await answered).status()).toBe(status);
    const [row] = await world.sql`SELECT held_at FROM lethe.erasure WHERE id = ${id}`;
    expect(row?.held_at).toBeNull();
  });
});

describe('Bull Board', () => {
  it('opens with the same sign-in, shows the queues and the job of an erasure, and lets support retry nothing', async () => {
    const { id } = await running();
    const worker = await world.worker();
    await until('it is completed', async () => (await stateOf(world.sql, id)) === 'completed', 60_000);
    await worker.stop();
    const { page } = await signedIn('sue');
    const answering = new Set<string>();
    page.on('response', (response) => answering.add(new URL(response.url()).host));
    await page.goto(detail(id));
    await page.getByRole('link', { name: /in the queues/ }).click();
    const [row] = await world.sql`SELECT job_id FROM lethe.erasure WHERE id = ${id}`;
    expect(page.url()).toBe(`${call.base}/admin/queues/queue/erasures/${row?.job_id}`);
    await page.getByText('erasure.advance').first().waitFor();
    await page.getByText(id).first().waitFor();
    await page.goto(`${call.base}/admin/queues/queue/erasures?status=completed`);
    await page.getByText('erasure.advance').first().waitFor();
    for (const queue of ['erasures', 'chunks', 'mail', 'housekeeping'])
      await page
        .getByRole('link', { name: new RegExp(queue) })
        .first()
        .waitFor();
    expect(await page.getByRole('button', { name: /retry/i }).count()).toBe(0);
    const retried = `fetch('/admin/queues/api/queues/erasures/${row?.job_id}/retry', { method: 'PUT' }).then((r) => r.status)`;
    expect(await page.evaluate(retried)).toBe(403);
    const ops = await signedIn('otto');
    await ops.page.goto(page.url());
    await ops.page.getByRole('button', { name: /retry/i }).first().waitFor();
    await takePicture(page, 'board');
    await page.locator('header button').last().click();
    await page.getByRole('menuitem', { name: 'Erasures' }).click();
    await page.waitForURL(`${call.base}/admin/erasures`);
    // The board's own page would fetch fonts from a third party.
    expect([...answering]).toEqual([new URL(call.base).host]);
  });
});

describe('the pages', () => {
  it.each(SCHEMES)(
    'have nothing that axe finds, %s, also on a telephone',
    async (colorScheme) => {
      const { id } = await running();
      await call('POST', `/v1/erasures/${id}/hold`, { auth: 'Bearer key-admin', body: { reason: 'Legal case 7' } });
      await world.sql`UPDATE lethe.erasure SET due_at = now() - interval '1 day' WHERE id = ${id}`;
      await world.sql`UPDATE lethe.task SET state = 'failed', last_error = ${`still_written: ${HOSTILE.repeat(6)}`}
      WHERE erasure_id = ${id} AND location = 'posts'`;
      const { page } = await signedIn('otto', { colorScheme });
      const pages = {
        login: '/admin/login',
        list: '/admin/erasures',
        detail: `/admin/erasures/${id}`,
        confirm: `/admin/erasures/${id}/release`,
      };
      for (const viewport of [{ width: 1280, height: 800 }, PHONE]) {
        await page.setViewportSize(viewport);
        for (const [name, path] of Object.entries(pages)) {
          await page.goto(call.base + path);
          expect(await findViolations(page), name).toEqual([]);
          expect(await overflowOf(page), `${name} at ${viewport.width}`).toBe(0);
          await takePicture(page, `support-${name}-${colorScheme}-${viewport.width}`);
        }
      }
    },
    90_000,
  );
});
