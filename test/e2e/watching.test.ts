import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Measured, NOTHING } from '../../src/erasure/watch/measured.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { complaintsOf, findViolations, openBrowser, overflowOf, takePicture } from '../support/browser.ts';
import { type Call, createWorld, READER_CATALOG, type World } from '../support/world.ts';

vi.setConfig({ testTimeout: 120_000 });

const PASSWORD = 'correct horse battery staple';
const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 900 };
/** Names that break a page which does not expect them. */
const NAMES = ['it’s "quoted" & <b>bold</b>', '🧨 💳 {{ .Labels }}', 'חיובים ותשלומים', `x${'-very-long'.repeat(18)}`];
const CATALOG = `${READER_CATALOG}
dataset: { owner: warehouse, sla: 36h, folder: /tmp/never-written }
owners:
  - { owner: reader, contact: "#reader-oncall", notify: { mail: reader@example.com } }
  - { owner: finance, notify: { url: "https://hooks.example.com/a-secret-path", secret: "env:FINANCE_ALERTS" } }
canary:
  owner: privacy
  every: 6h
  wait: 1m
  within: 1h
  key: env:CANARY_KEY
  plant: ["INSERT INTO accounts (email) VALUES ($marker) RETURNING id"]
`;

let world: World;
let call: Call & { base: string };
let browser: Browser;
const open: { close: () => Promise<void> }[] = [];

beforeAll(async () => {
  world = await createWorld({
    catalog: CATALOG,
    env: { LETHE_DASHBOARD_USERS: `sue=support=${await hashPassword(PASSWORD)}` },
  });
  call = await world.api();
  browser = await openBrowser([]);
});
afterEach(async () => {
  for (const context of open.splice(0)) await context.close();
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** A window in which somebody of the support has signed in. */
async function signedIn(options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: DESKTOP, ...options });
  open.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(40_000);
  const complaints = complaintsOf(page);
  await page.goto(`${call.base}/admin/login`);
  await page.getByLabel('Name').fill('sue');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${call.base}/admin/erasures`);
  return { page, complaints };
}

/** Looks at a page on a desktop and on a telephone, light and dark. */
async function look(page: Page, name: string) {
  for (const [size, viewport] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
    await page.setViewportSize(viewport);
    expect(await overflowOf(page), `${name}, ${size}`).toBe(0);
    await takePicture(page, `${name}-${size}`);
    expect(await findViolations(page), `${name}, ${size}`).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: 'dark' });
  await takePicture(page, `${name}-dark`);
  expect(await findViolations(page), `${name}, dark`).toEqual([]);
  await page.emulateMedia({ colorScheme: 'light' });
}

type Given = Record<string, unknown>;
/** An erasure as it may stand after a day, and its tasks. */
async function insert(change: Given, tasks: readonly Given[], events: readonly Given[] = []): Promise<string> {
  const id = uuidv7();
  const hours = (n: number) => new Date(Date.now() + n * 3_600_000);
  await world.sql`INSERT INTO lethe.erasure ${world.sql({
    id,
    account_key: String(Math.floor(Math.random() * 1e9)),
    state: 'awaiting',
    mode: 'scheduled',
    requested_at: hours(-50),
    requested_by: 'account',
    starts_at: hours(-49),
    started_at: hours(-49),
    due_at: hours(24 * 28),
    catalog_digest: 'none',
    ...change,
  })}`;
  for (const task of tasks)
    await world.sql`INSERT INTO lethe.task ${world.sql({
      erasure_id: id,
      kind: 'table',
      action: 'delete',
      owner: 'reader',
      stage: 0,
      state: 'done',
      rows_planned: 0,
      started_at: hours(-48),
      finished_at: task.state === undefined || task.state === 'done' ? hours(-47) : null,
      due_at: hours(24),
      ...task,
    })}`;
  for (const event of events) await world.sql`INSERT INTO lethe.event ${world.sql({ erasure_id: id, ...event })}`;
  return id;
}

describe('the line of tasks', () => {
  it('shows forty tasks with hostile names, from the request to the warehouse', async () => {
    const ago = (hours: number) => new Date(Date.now() - hours * 3_600_000);
    const tables = Array.from({ length: 24 }, (_, n) => ({
      location: n < 4 ? `${NAMES[n]} ${n}` : `table_${n}`,
      owner: NAMES[n % 4],
      stage: n % 3,
      rows_planned: n * 997,
    }));
    const partners = Array.from({ length: 14 }, (_, n) => ({
      location: n < 4 ? `${NAMES[n]} partner` : `partner_${n}`,
      owner: NAMES[n % 4],
      kind: ['http', 'request', 'object-store', 'event'][n % 4],
      stage: n === 9 ? 0 : 5,
      state: n % 3 === 0 ? 'awaiting' : 'done',
      rows_planned: null,
      due_at: n === 3 ? ago(3) : ago(-24),
    }));
    const account = { location: 'accounts', kind: 'account', owner: 'lethe', stage: 3, rows_planned: 1 };
    const id = await insert({}, [...tables, account, ...partners], [{ type: 'account.erased', at: ago(71) }]);
    await world.sql`INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, attempts, next_at, asked_at, last_at, last_words, settled_at)
        SELECT gen_random_uuid(), erasure_id, id, location, 1, CASE WHEN state = 'awaiting' THEN 'open' ELSE 'done' END, 1,
               CASE WHEN state = 'awaiting' THEN 4 ELSE 0 END, CASE WHEN state = 'awaiting' THEN now() + interval '2 hours' END,
               now() - interval '46 hours', now() - interval '1 hour',
               CASE WHEN state = 'awaiting' THEN '503 <img src=x onerror="document.title=1"> ' || repeat('nothing-to-break-at', 12) ELSE '200, erased' END,
               CASE WHEN state = 'awaiting' THEN NULL ELSE now() - interval '46 hours' END
          FROM lethe.task WHERE erasure_id = ${id} AND kind NOT IN ('table', 'account')`;
    const { page, complaints } = await signedIn();
    await page.goto(`${call.base}/admin/erasures/${id}`);
    const stages = await page.locator('ol.line li').allTextContents();
    expect(stages.map((text) => text.replace(/\s+/g, ' ').trim())).toEqual([
      'Request Accepted',
      'Asked first Asked',
      'Tables All 24 done',
      'Account Done',
      'Partners 5 of 7 done',
      'Files 2 of 3 done',
      'Events 2 of 3 done, 1 overdue',
      'Warehouse Late, overdue',
    ]);
    expect(await page.locator('table.locations tbody tr:not(.stage, .about, .error)').count()).toBe(41);
    await look(page, 'line');
    expect(complaints).toEqual([]);
  });
});

const minutes = (n: number) => new Date(Date.now() + n * 60_000);
type OwnerRow = Partial<Measured> & { name: string; state: string };
/** An owner as the duty has seen it. */
async function seen({ name, state, ...measured }: OwnerRow, told: Given = {}) {
  await world.sql`INSERT INTO lethe.owner ${world.sql({
    name,
    state,
    since: minutes(-95),
    watched_at: new Date(),
    measured: world.sql.json({ ...NOTHING, ...measured } as never),
    ...told,
  })}`;
}

describe('the owners', () => {
  it('are shown the worst first, with what their teams were told, and lead to what is late', async () => {
    const late = await insert({}, [
      { location: 'billing', kind: 'http', owner: 'finance', state: 'awaiting', due_at: minutes(-60) },
    ]);
    await insert({}, [{ location: 'billing', kind: 'http', owner: 'finance', state: 'awaiting' }]);
    await seen({
      name: 'reader',
      state: 'well',
      done: { inTime: 4980, late: 20, p50: 41, p95: 5000, lastAt: new Date() },
    });
    await seen(
      {
        name: 'finance',
        state: 'late',
        open: 2,
        late: 1,
        failing: 2,
        oldestAt: minutes(-3000),
        used: 1.31,
        locations: ['billing', NAMES[0] as string],
      },
      {
        told_state: 'failing',
        told_at: minutes(-90),
        message_id: uuidv7(),
        attempts: 3,
        next_at: minutes(20),
        last_words: 'answered with 500',
      },
    );
    await seen({
      name: NAMES[1] as string,
      state: 'failing',
      open: 12_345,
      failing: 7,
      oldestAt: minutes(-700),
      used: 0.42,
      locations: NAMES,
    });
    await seen({ name: NAMES[3] as string, state: 'failing', open: 1, failing: 1, oldestAt: minutes(-7), used: 0.01 });
    await seen({ name: NAMES[2] as string, state: 'well' });
    await seen({ name: 'warehouse', state: 'late', words: ['dt=2026-11-25 is not written'] });
    const { page, complaints } = await signedIn();
    expect(await page.locator('.watch').textContent()).toBe('2 owners are late, 2 failing');
    await takePicture(page, 'owners-list');
    await page.getByRole('link', { name: '2 owners are late' }).click();
    const rows = page.locator('table.owners tbody tr:not(.about)');
    const texts = (await rows.allTextContents()).map((text) => text.replace(/\s+/g, ' ').trim());
    expect(texts.map((text) => text.split(' ')[0])).toEqual([
      'finance',
      'warehouse',
      ...texts.slice(2, 4).map((t) => t.split(' ')[0]),
      'reader',
      ...texts.slice(5).map((t) => t.split(' ')[0]),
    ]);
    expect(texts[0]).toContain('131%');
    expect(texts[0]).toContain('hooks.example.com');
    expect(texts[0]).toContain('Not taken yet');
    expect(await page.content()).not.toContain('a-secret-path');
    expect(texts.find((text) => text.startsWith('reader'))).toContain('p50 41 s, p95 83 min 20 of 5,000 late');
    await look(page, 'owners');
    await page.getByRole('link', { name: '1 late of finance' }).click();
    expect(await page.locator('.of-owner').textContent()).toBe('Only those with a late task of finance');
    expect(await page.locator('td a.id').evaluateAll((links) => links.map((a) => a.getAttribute('href')))).toEqual([
      `/admin/erasures/${late}`,
    ]);
    await takePicture(page, 'owners-filter');
    expect(complaints).toEqual([]);
  });

  it('are known to be unknown when no worker looks', async () => {
    await world.sql`UPDATE lethe.owner SET watched_at = now() - interval '1 hour'`;
    const { page } = await signedIn({ javaScriptEnabled: false });
    await page.getByRole('link', { name: 'Owners', exact: true }).click();
    expect(await page.getByRole('alert').textContent()).toContain('No worker has looked since');
    expect(await page.locator('nav a[aria-current]').textContent()).toBe('Owners');
  });
});

describe('the test data', () => {
  it('shows what was planted, what was found, and what is not tested', async () => {
    const erased = await insert({ state: 'completed', canary: true, completed_at: minutes(-300) }, []);
    const user = await insert({ state: 'completed', completed_at: minutes(-300) }, []);
    const cycle = async (change: Given) =>
      world.sql`INSERT INTO lethe.canary ${world.sql({ id: uuidv7(), account_key: '1', planted_at: minutes(-360), requested_at: minutes(-359), ...change })}`;
    for (let n = 0; n < 4; n++)
      await cycle({
        state: 'passed',
        created_at: minutes(-5000 - n),
        finished_at: minutes(-4999 - n),
        planted: world.sql.json({ accounts: 1, posts: 5000 + n, feeds: 3 }),
        erasure_id: erased,
      });
    await cycle({
      state: 'failed',
      created_at: minutes(-360),
      finished_at: minutes(-299),
      planted: world.sql.json({ accounts: 1, posts: 12, [NAMES[3] as string]: 2 }),
      erasure_id: erased,
      findings: world.sql.json([
        { location: 'posts', words: '3 rows are there after the erasure' },
        { location: NAMES[0] as string, words: `${NAMES[1]} says <b>present</b>` },
        { location: NAMES[2] as string, words: NAMES[3] as string },
      ]),
    });
    await cycle({
      state: 'planting',
      planted_at: null,
      requested_at: null,
      account_key: null,
      created_at: minutes(-2),
      next_at: minutes(3),
      attempts: 4,
      last_words: '42P01: a statement was refused',
    });
    const { page, complaints } = await signedIn();
    await page.getByRole('link', { name: 'Test data was not erased' }).click();
    expect(await page.locator('table.cycles tbody tr:not(.about, .error)').count()).toBe(6);
    expect(await page.locator('.error').textContent()).toContain('posts: 3 rows are there after the erasure');
    expect(await page.locator('section .findings').textContent()).toContain('feeds');
    await look(page, 'test-data');
    await page.locator('td a.id').first().click();
    expect(page.url()).toBe(`${call.base}/admin/erasures/${erased}`);
    expect(await page.locator('h1').textContent()).toContain('Test data');
    await takePicture(page, 'test-data-detail');
    const listed = async (accounts: string) => {
      await page.goto(`${call.base}/admin/erasures`);
      await page.getByLabel('Accounts').selectOption(accounts);
      await page.getByRole('button', { name: 'Search' }).click();
      const found = await page.locator('td a.id').evaluateAll((links) => links.map((a) => a.getAttribute('title')));
      return [erased, user].map((id) => found.includes(id));
    };
    expect(await listed('All')).toEqual([true, true]);
    await takePicture(page, 'test-data-list');
    expect(await listed('Users')).toEqual([false, true]);
    expect(await listed('Test data')).toEqual([true, false]);
    expect(complaints).toEqual([]);
  });
});
