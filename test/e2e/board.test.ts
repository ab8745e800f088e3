import type { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { openBrowser, takePicture } from '../support/browser.ts';
import { cookieOf, QUEUES, queueWithJobs } from '../support/dashboard.ts';
import { accepted, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

vi.setConfig({ testTimeout: 120_000 });

const PASSWORD = 'correct horse battery staple';
/** What looks, or retries. Whatever else a new version of the board offers must be hidden, or be added here. */
const HARMLESS =
  /^(refresh-cw|ellipsis-vertical|panel-left|info|maximize|maximize-2|minimize-2|settings|users|copy|check|search|external-link|chevron-\w+|arrow-up-down|arrow-down|chart-no-axes-gantt|database|circle-user|x|crosshair)$/;
const REFUSED =
  /add job|pause|resume|empty|obliterate|concurrency|rate limit|clean|promote|duplicate|update|run now|remove/i;

let world: World;
let call: Call & { base: string };
let browser: Browser;
let mail: Queue;
let redis: Redis;

beforeAll(async () => {
  const hash = await hashPassword(PASSWORD);
  world = await createWorld({
    env: { LETHE_CHUNK_ROWS: '500', LETHE_DASHBOARD_USERS: `sue=support=${hash},otto=ops=${hash}` },
  });
  call = await world.api();
  await until('it has reached Redis', async () => (await call('GET', '/readyz')).body.status === 'ok');
  redis = new Redis(world.env.REDIS_URL as string, { maxRetriesPerRequest: null });
  mail = await queueWithJobs('mail', { connection: redis, prefix: world.env.LETHE_REDIS_PREFIX as string });
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  await mail?.close();
  redis?.disconnect();
  await world?.close();
});

async function open(name: 'sue' | 'otto'): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'en-GB' });
  const [cookie, value] = (await cookieOf(call, name, PASSWORD)).split('=') as [string, string];
  await context.addCookies([{ name: cookie, value, url: `${call.base}/admin` }]);
  const page = await context.newPage();
  page.setDefaultTimeout(40_000);
  return page;
}

/** Everything that can be clicked and is seen: its words and its icons. */
const offered = (page: Page) =>
  page.locator('button:visible, [role="menuitem"]:visible').evaluateAll((all) =>
    all.map((one) => ({
      words: `${one.textContent ?? ''} ${one.getAttribute('aria-label') ?? ''}`.trim(),
      icons: [...one.querySelectorAll('svg')].flatMap((svg) =>
        [...svg.classList].filter((name) => name.startsWith('lucide-')).map((name) => name.slice('lucide-'.length)),
      ),
    })),
  );

async function expectHarmless(page: Page, where: string): Promise<void> {
  for (const { words, icons } of await offered(page)) {
    expect(words, where).not.toMatch(REFUSED);
    for (const icon of icons) expect(icon, `${where}: ${words}`).toMatch(HARMLESS);
  }
}

/** Opens each menu in turn. Gives what they offer. */
async function openMenus(page: Page, where: string): Promise<string[]> {
  const words: string[] = [];
  for (const menu of await page.locator('button[aria-haspopup="menu"]:visible').all()) {
    await menu.click();
    await page.locator('[role="menu"]').first().waitFor();
    await expectHarmless(page, `${where}, menu`);
    words.push(...(await page.locator('[role="menuitem"]:visible').allTextContents()));
    await page.keyboard.press('Escape');
    await page.locator('[role="menu"]').first().waitFor({ state: 'detached' });
  }
  return words;
}

describe('ops on the board', () => {
  it('is offered nothing that is then refused, and retries what has failed', async () => {
    const page = await open('otto');
    const at = async (path: string, seen: string) => {
      await page.goto(`${call.base}${QUEUES}${path}`);
      return look(path, seen);
    };
    const look = async (path: string, seen: string) => {
      await page.getByText(seen).first().waitFor();
      await expectHarmless(page, path);
      return openMenus(page, path);
    };
    // The name of a queue stands in the page before the menu beside it does.
    const retries = async (path: string, seen: string) => {
      await at(path, seen);
      await until(`${path} offers to retry`, async () => /retry/i.test((await openMenus(page, path)).join()));
    };
    await retries('', 'housekeeping');
    await retries('/queue/mail?status=failed', 'mail.send');
    await takePicture(page, 'board-ops-failed');
    await at('/queue/mail?status=delayed', 'mail.send');
    await at('/queue/mail?status=waiting', 'mail.send');
    await page.getByRole('link', { name: 'Schedulers', exact: true }).click();
    await look('schedulers', 'tick');
    await takePicture(page, 'board-ops-schedulers');
    await at('/queue/mail/failing', 'mail.send');
    await takePicture(page, 'board-ops-job');
    await page.locator('button:has(.lucide-refresh-cw):visible').first().click();
    const confirm = page.getByRole('button', { name: /confirm|retry|yes|ok/i }).first();
    await confirm.click({ timeout: 3_000 }).catch(() => {});
    await until('it waits again', async () => (await mail.getJobState('failing')) === 'waiting');
  });
});

describe('a chunk’s job', () => {
  it('says which location and range it is, by name and number', async () => {
    const { account } = await subject(world.sql, 2_000);
    const { id } = await accepted(call, account, { body: { startNow: true } });
    const worker = await world.worker({ LETHE_PACE: 'gentle' });
    const { producers } = await world.domain();
    const job = await until('a chunk has a job', async () =>
      (await producers.queues.chunks.getJobs()).find((one) => one?.data.erasureId === id && one.data.range === 2),
    );
    expect(job.data).toEqual({
      erasureId: id,
      chunkId: expect.any(Number),
      location: 'posts',
      pass: 1,
      range: 2,
      rows: 500,
    });
    const page = await open('sue');
    await page.goto(`${call.base}${QUEUES}/queue/chunks/${encodeURIComponent(String(job.id))}`);
    await page.getByText('chunk.erase posts, range 2, 500 rows').first().waitFor();
    await takePicture(page, 'board-chunk');
    await worker.stop();
  });
});
