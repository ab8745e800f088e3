import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import { populate } from './reader.ts';
import { lethe, type Stack, startStack, stop, waitForPort } from './stack.ts';

// Takes the pictures that README.md shows, of real processes at work.

const FOLDER = 'docs/screenshots';
const PEOPLE = [
  { email: 'large@example.com', posts: 600_000, feeds: 300 },
  { email: 'planned@example.com', posts: 184_000, feeds: 120 },
  { email: 'stalled@example.com', posts: 3_000, feeds: 20 },
  { email: 'scheduled@example.com', posts: 2_400, feeds: 12 },
  { email: 'held@example.com', posts: 5_200, feeds: 31 },
  { email: 'small@example.com', posts: 240, feeds: 9 },
  { email: 'bystander@example.com', posts: 4_000, feeds: 10 },
];

type Asked = { id: string; statusUrl: string };

async function main(): Promise<void> {
  mkdirSync(FOLDER, { recursive: true });
  const stack = await startStack(undefined);
  Object.assign(stack.env, { LETHE_SWEEP_CRON: '0 * * * *', LETHE_BRAND_NAME: 'Feedreader', NO_COLOR: '1' });
  const browser = await openBrowser();
  const started: ReturnType<typeof lethe>[] = [];
  try {
    if ((await lethe('migrate', stack.env).exited) !== 0) throw new Error('lethe migrate failed');
    const ids = await populate(stack.sql, PEOPLE);
    const [large, planned, stalled, scheduled, held, small, bystander] = ids as string[] as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    // A post of somebody else in one of its feeds: nothing may be deleted through it.
    await stack.sql`INSERT INTO posts (account_id, feed_id, title, body)
      SELECT ${bystander}, min(id), 'A guest post', '' FROM feeds WHERE account_id = ${stalled}`;
    await stack.sql`VACUUM ANALYZE`;
    const api = lethe('api', stack.env);
    started.push(api);
    const base = `http://127.0.0.1:${await waitForPort(api)}`;
    const call = caller(base, stack.apiKey);
    await call('POST', `/v1/accounts/${small}/erasure`, {});
    await call('POST', `/v1/accounts/${scheduled}/erasure`, {});
    const held1 = await call('POST', `/v1/accounts/${held}/erasure`, {});
    await call('POST', `/v1/erasures/${held1.id}/hold`, { reason: 'Dispute 2026-114' });
    const stuck = await call('POST', `/v1/accounts/${stalled}/erasure`, { startNow: true });
    started.push(lethe('worker', stack.env));
    await until(async () => (await call('GET', `/v1/erasures/${stuck.id}`)).state === 'stalled');
    const asked = await call('POST', `/v1/accounts/${large}/erasure`, {});
    const page = await open(browser, base + pathOf(asked), { width: 720, height: 800 });
    await picture(page, 'status-scheduled');
    await call('POST', `/v1/erasures/${asked.id}/start`);
    await until(async () => Number((await page.locator('progress').first().getAttribute('value')) ?? 0) >= 25);
    await picture(page, 'status-running');
    const support = await signIn(browser, base, stack.password);
    await picture(support, 'support-list');
    await support.goto(`${base}/admin/erasures/${stuck.id}`);
    await picture(support, 'support-stalled');
    await until(async () => (await call('GET', `/v1/erasures/${asked.id}`)).state === 'completed');
    await page.reload();
    await picture(page, 'status-done');
    await support.goto(`${base}/admin/queues/queue/chunks`);
    await support.getByText('chunk.erase').first().waitFor();
    await picture(support, 'bull-board');
    await terminal(browser, stack, ['plan', planned]);
    await terminal(browser, stack, ['status', stuck.id]);
  } finally {
    await browser.close();
    await Promise.all(started.map((s) => stop(s)));
    await stack.stop();
  }
}

const caller = (base: string, key: string) => async (method: string, path: string, body?: object) => {
  const headers = { Authorization: `Bearer ${key}`, ...(body ? { 'Content-Type': 'application/json' } : {}) };
  const answer = await fetch(base + path, { method, headers, body: body ? JSON.stringify(body) : null });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Asked & { state: string };
};

function pathOf({ statusUrl }: Asked): string {
  const url = new URL(statusUrl);
  return url.pathname + url.search;
}

async function open(browser: Browser, url: string, viewport: { width: number; height: number }): Promise<Page> {
  // Bars that are still on their way to their value would contradict the number beside them.
  const page = await browser.newPage({ viewport, reducedMotion: 'reduce' });
  await page.goto(url);
  return page;
}

async function signIn(browser: Browser, base: string, password: string): Promise<Page> {
  const page = await open(browser, `${base}/admin/login`, { width: 1280, height: 760 });
  await page.getByLabel('Name').fill('ops');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Erasures' }).waitFor();
  return page;
}

const picture = (page: Page, name: string) =>
  page.screenshot({ path: `${FOLDER}/${name}.png`, animations: 'disabled' });

/** What a command prints, as a picture of a terminal. */
async function terminal(browser: Browser, stack: Stack, args: string[]): Promise<void> {
  const run = lethe(args as [string, ...string[]], stack.env);
  await run.exited;
  const page = await browser.newPage({ viewport: { width: 980, height: 200 } });
  await page.setContent(
    `<body style="margin:0;background:#16181d"><pre style="font:14px/1.45 monospace;color:#e4e6eb;margin:0;padding:20px;white-space:pre-wrap"></pre>`,
  );
  await page.locator('pre').evaluate(
    (pre, text) => {
      pre.textContent = text;
    },
    `$ lethe ${args.join(' ')}\n\n${run.output().trim()}`,
  );
  await page.locator('pre').screenshot({ path: `${FOLDER}/terminal-${args[0]}.png` });
  await page.close();
}

async function until(probe: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await probe()); ) {
    if (Date.now() > end) throw new Error(`timed out: ${probe}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

await main();
