import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../dev/free-port.ts';
import { startPostgres } from '../../dev/postgres.ts';
import { stop, waitForOutput } from '../../dev/process.ts';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import type { Resources } from '../../src/resources.ts';
import { deriveToken } from '../../src/tokens.ts';
import { complaintsOf, findViolations, openBrowser, overflowOf, takePicture } from '../support/browser.ts';
import { checksum, expectErased, ledger, rowsOf } from '../support/evidence.ts';
import { deletedRows, stateOf } from '../support/progress.ts';
import { accepted, everything, isFlagged, subject } from '../support/subject.ts';
import { createTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, SECRET, type World } from '../support/world.ts';

// A browser beside everything else that runs: what takes seconds alone may take many.
vi.setConfig({ testTimeout: 120_000 });

const POSTS = 12_000;
const SCHEMES = ['light', 'dark'] as const;
const PHONE = { width: 320, height: 640 };

let world: World;
let call: Call & { base: string };
let domain: Resources;
let browser: Browser;

beforeAll(async () => {
  world = await createWorld({
    env: {
      LETHE_BRAND_NAME: 'Reader',
      LETHE_BRAND_URL: 'https://reader.example/',
      LETHE_UNDO_WINDOW: '24h',
      // Slow enough to be watched.
      LETHE_CHUNK_ROWS: '200',
      LETHE_GLOBAL_CONCURRENCY: '1',
      LETHE_RATE_LIMIT: '0',
    },
  });
  call = await world.api();
  domain = await world.domain();
  browser = await openBrowser([`--host-resolver-rules=MAP lethe.test 127.0.0.1`]);
});
afterAll(async () => {
  await browser?.close();
  await world?.close();
});

/** Address of the status page below the API's real address. */
const addressOf = (id: string, base = call.base) => `${base}/status/${id}?token=${deriveToken([SECRET], 'status', id)}`;

/** A window of its own, and what its page complains about. */
async function openPage(address: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(40_000);
  const complaints = complaintsOf(page);
  const answer = await page.goto(address);
  return { page, complaints, answer, close: () => context.close() };
}

/** A large account's request. */
async function scheduled(posts = 1000) {
  const s = await subject(world.sql, posts);
  return { ...s, ...(await accepted(call, s.account)) };
}

const heading = (page: Page) => page.locator('h1').textContent();
const says = (page: Page, text: string) => page.getByRole('heading', { name: text }).waitFor();
const click = (page: Page, name: string) =>
  page.getByRole('button', { name }).or(page.getByRole('link', { name })).click();
const counts = async (page: Page) =>
  Object.fromEntries(
    await Promise.all(
      (await page.locator('.counts > div').all()).map(async (row) => [
        await row.locator('dt').textContent(),
        await row.locator('dd').textContent(),
      ]),
    ),
  );

describe('without a script', () => {
  const noScript = { javaScriptEnabled: false };

  it('an undo cancels the erasure and lifts the flag', async () => {
    const { id, account, before } = await scheduled();
    const { page, close } = await openPage(addressOf(id), noScript);
    expect(await heading(page)).toBe('Your account will be deleted');
    expect(await page.locator('time').textContent()).toMatch(/^on \d+ \w+ \d{4} at \d\d:\d\d UTC$/);
    expect(await isFlagged(world.sql, account)).toBe(true);
    await click(page, 'Undo the deletion');
    await says(page, 'Your account stays');
    expect(page.url()).toBe(addressOf(id));
    expect(await stateOf(world.sql, id)).toBe('cancelled');
    expect(await isFlagged(world.sql, account)).toBe(false);
    expect(await rowsOf(world.sql, account)).toEqual({ ...before, sessions: 0 });
    const [event] =
      await world.sql`SELECT data FROM lethe.event WHERE erasure_id = ${id} AND type = 'erasure.cancelled'`;
    expect(event?.data).toMatchObject({ by: 'status link' });
    await close();
  });

  it('a start asks first, and the page follows by itself to the end', async () => {
    const { id, account, before } = await scheduled();
    const { page, close } = await openPage(addressOf(id), noScript);
    await click(page, 'Delete now');
    await says(page, 'Delete your account now?');
    expect(await stateOf(world.sql, id)).toBe('scheduled');
    await click(page, 'No, go back');
    await says(page, 'Your account will be deleted');
    await click(page, 'Delete now');
    await click(page, 'Yes, delete it now');
    await says(page, 'Your account is being deleted');
    const worker = await world.worker();
    await says(page, 'Your account has been deleted');
    await expectErased(world.sql, account, id, before);
    await worker.stop();
    await close();
  });
});

describe('with a script', () => {
  it('a started erasure is followed to its end without a reload, and counts what the ledger counts', async () => {
    const { id, account, bystander, before, sum } = await scheduled(POSTS);
    const { page, complaints, close } = await openPage(addressOf(id));
    expect(await page.locator('time').textContent()).toMatch(/^(tomorrow|on \d+ \w+ \d{4}) at \d\d:\d\d$/);
    await click(page, 'Delete now');
    await click(page, 'Yes, delete it now');
    await says(page, 'Your account is being deleted');
    await page.evaluate(`window.sameAsBefore = true; document.querySelector('.brand').focus()`);
    const bar = page.locator('[data-location=posts] progress');
    const shownRows = async () => Number(await bar.getAttribute('value'));
    expect(await shownRows()).toBe(0);
    const first = await world.worker();
    await until('a part is deleted', async () => (await deletedRows(world.sql, id)) > 400);
    await first.stop();
    const part = await deletedRows(world.sql, id);
    expect(part).toBeLessThan(POSTS);
    await until('the page shows how far it came', async () => (await shownRows()) === part);
    expect(await page.locator('[data-location=posts] .words').textContent()).toBe(
      `${part.toLocaleString('en-US')} of ${POSTS.toLocaleString('en-US')}`,
    );
    // The script's words are the server's.
    const fresh = await openPage(addressOf(id), { javaScriptEnabled: false });
    const words = (of: Page) => of.locator('.words, .percent').allTextContents();
    expect(await words(page)).toEqual(await words(fresh.page));
    await fresh.close();
    expect(await heading(page)).toBe('Your account is being deleted');
    await holdErasure(domain.ctx, id, 'cli', 'for the test');
    await says(page, 'The deletion is paused');
    expect(await shownRows()).toBe(part);
    const { dispatch } = await releaseErasure(domain.ctx, id, 'cli');
    expect(dispatch).not.toBeNull();
    await says(page, 'Your account is being deleted');
    const second = await world.worker();
    await says(page, 'Your account has been deleted');
    await expectErased(world.sql, account, id, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);

    const rows = await ledger(world.sql, id);
    expect(await counts(page)).toEqual({
      Posts: Number(rows.posts).toLocaleString('en-US'),
      Feeds: String(rows.feeds),
      Sessions: String(rows.sessions),
      Account: '1',
    });
    expect(await page.locator('time').textContent()).toMatch(/^(today|yesterday) at \d\d:\d\d$/);
    // It was one page all the time, with the focus where it was, and it said what happened.
    expect(await page.evaluate('window.sameAsBefore')).toBe(true);
    expect(await page.evaluate('document.activeElement.className')).toBe('brand');
    expect(await page.locator('#announcer').textContent()).toContain('Your account has been deleted');
    expect(complaints).toEqual([]);
    await second.stop();
    await close();
  });

  it('goes on by looking again when events cannot be had', async () => {
    const { id } = await scheduled();
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.route('**/events?*', (route) => route.fulfill({ status: 502, body: 'bad gateway' }));
    await call('POST', `/v1/erasures/${id}/start`);
    await page.goto(addressOf(id));
    await says(page, 'Your account is being deleted');
    const worker = await world.worker();
    await says(page, 'Your account has been deleted');
    await worker.stop();
    await context.close();
  });

  it('keeps what it shows while the server restarts, and goes on afterwards', async () => {
    const port = await freePort();
    const serve = async () => {
      const api = world.spawn(['api'], { PORT: String(port) });
      await waitForOutput(api, (output) => output.includes('listening'), 50_000, 'the API');
      return api;
    };
    const { id } = await scheduled();
    await call('POST', `/v1/erasures/${id}/start`);
    const api = await serve();
    const { page, close } = await openPage(addressOf(id, `http://127.0.0.1:${port}`));
    await Promise.all([page.waitForEvent('requestfailed'), stop(api, 'SIGKILL')]);
    expect(await heading(page)).toBe('Your account is being deleted');
    await serve();
    const worker = await world.worker();
    await says(page, 'Your account has been deleted');
    await worker.stop();
    await close();
  });
});

describe('an action that comes too late or at a bad moment', () => {
  it('says that it had started already', async () => {
    const { id } = await scheduled();
    const { page, close } = await openPage(addressOf(id), { javaScriptEnabled: false });
    expect((await call('POST', `/v1/erasures/${id}/start`)).status).toBe(202);
    await click(page, 'Undo the deletion');
    expect(await page.getByRole('alert').textContent()).toContain('It was too late to undo this');
    expect(await heading(page)).toBe('Your account is being deleted');
    await close();
  });

  it('says that the account is in use, once', async () => {
    const { id, account } = await scheduled();
    const { page, close } = await openPage(addressOf(id));
    await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM accounts WHERE id = ${account} FOR UPDATE`;
      await click(page, 'Undo the deletion');
      await page.getByRole('alert').waitFor();
    });
    expect(await page.getByRole('alert').textContent()).toContain('in use right now');
    expect(await heading(page)).toBe('Your account will be deleted');
    await page.reload();
    expect(await page.getByRole('alert').count()).toBe(0);
    await click(page, 'Undo the deletion');
    await says(page, 'Your account stays');
    await close();
  });

  it('says that a hold keeps it from starting', async () => {
    const { id } = await scheduled();
    const { page, close } = await openPage(addressOf(id), { javaScriptEnabled: false });
    await click(page, 'Delete now');
    await holdErasure(domain.ctx, id, 'cli', 'for the test');
    await click(page, 'Yes, delete it now');
    expect(await page.getByRole('alert').textContent()).toContain('cannot be started now');
    expect(await heading(page)).toBe('The deletion is paused');
    expect(await stateOf(world.sql, id)).toBe('scheduled');
    await close();
  });

  it('says that it had been undone', async () => {
    const { id } = await scheduled();
    const { page, close } = await openPage(addressOf(id), { javaScriptEnabled: false });
    await click(page, 'Delete now');
    await call('DELETE', `/v1/erasures/${id}`);
    await click(page, 'Yes, delete it now');
    expect(await page.getByRole('alert').textContent()).toContain('had been undone');
    expect(await heading(page)).toBe('Your account stays');
    await close();
  });
});

describe('every state', () => {
  const made: Record<string, string> = {};
  const inState = async (name: string, change: string) => {
    const { id } = await scheduled();
    await world.sql.unsafe(`UPDATE lethe.erasure SET ${change} WHERE id = '${id}'`);
    made[name] = addressOf(id);
    return id;
  };

  beforeAll(async () => {
    await inState('scheduled', 'starts_at = starts_at');
    await inState('held', `held_at = now(), held_by = 'cli', hold_reason = 'x'`);
    await inState('cancelled', `state = 'cancelled', cancelled_at = now()`);
    const begun = `started_at = now() - interval '4 minutes'`;
    for (const id of [
      await inState('running', `state = 'running', ${begun}`),
      await inState('stalled', `state = 'stalled', ${begun}`),
      await inState('awaiting', `state = 'awaiting', ${begun}`),
      await inState('completed', `state = 'completed', ${begun}, completed_at = now()`),
    ]) {
      await world.sql`UPDATE lethe.task SET rows_planned = CASE location WHEN 'posts' THEN 250000 WHEN 'feeds' THEN 312 ELSE 1 END,
        state = CASE WHEN location = 'posts' THEN 'running' ELSE state END WHERE erasure_id = ${id} AND location <> 'sessions'`;
      await world.sql`UPDATE lethe.task SET rows_planned = 0, state = 'done' WHERE erasure_id = ${id} AND location = 'sessions'`;
      await world.sql`INSERT INTO lethe.chunk (task_id, pass, number, rows_planned, rows_deleted)
        SELECT id, 1, 1, 250000, 112400 FROM lethe.task WHERE erasure_id = ${id} AND location = 'posts'`;
    }
    await world.sql`UPDATE lethe.chunk c SET rows_deleted = 250000 FROM lethe.task t JOIN lethe.erasure e ON e.id = t.erasure_id
      WHERE t.id = c.task_id AND t.location = 'posts' AND e.state IN ('awaiting', 'completed')`;
    await world.sql`INSERT INTO lethe.chunk (task_id, pass, number, rows_planned, rows_deleted)
      SELECT t.id, 1, 1, t.rows_planned, t.rows_planned FROM lethe.task t JOIN lethe.erasure e ON e.id = t.erasure_id
       WHERE t.location IN ('feeds', 'accounts') AND t.rows_planned IS NOT NULL AND e.state IN ('awaiting', 'completed')
      ON CONFLICT DO NOTHING`;
    await world.sql`UPDATE lethe.task t SET state = 'done' FROM lethe.erasure e
      WHERE e.id = t.erasure_id AND e.state IN ('awaiting', 'completed')`;
    made.confirm = (made.scheduled as string).replace('?', '/start?');
    made.missing = `${call.base}/status/nothing`;
  });

  it.each(SCHEMES)('can be read by everybody and on a small screen (%s)', async (colorScheme) => {
    const { page, complaints, close } = await openPage('about:blank', { colorScheme, reducedMotion: 'reduce' });
    for (const [name, address] of Object.entries(made)) {
      await page.setViewportSize({ width: 1024, height: 800 });
      await page.goto(address);
      expect(await page.locator('main').getAttribute('data-shown')).toBe(name);
      // Nothing that its policy refuses; the browser reports the answer 404 of the page itself as well.
      expect(complaints.splice(0).filter((text) => name !== 'missing' || !text.includes('404'))).toEqual([]);
      expect(await findViolations(page), name).toEqual([]);
      complaints.splice(0);
      await takePicture(page, `${name}-${colorScheme}`);
      await page.setViewportSize(PHONE);
      expect(await overflowOf(page), name).toBe(0);
      await takePicture(page, `${name}-${colorScheme}-phone`);
    }
    await close();
  });
});

describe('an update over the event stream', () => {
  /** Everything that moves, as it is shown: words, and how full the bars are. */
  const liveParts = (page: Page) =>
    page.locator('main [data-live]:not([data-live="lead"])').evaluateAll((parts) =>
      parts.map((part) => {
        const { value, max, textContent } = part as unknown as { value?: number; max?: number; textContent: string };
        return value === undefined ? textContent.trim() : `${value} of ${max}`;
      }),
    );

  const STATES: [string, string, string[]][] = [
    ['running', `state = 'running'`, ['44%', '112,400 of 250,000', 'Waiting for confirmation', 'Kept']],
    ['stalled', `state = 'stalled'`, ['44%', '112,400 of 250,000', 'Waiting for confirmation', 'Kept']],
    ['held', `state = 'running', held_at = now(), held_by = 'cli', hold_reason = 'x'`, ['44%', 'Kept']],
    ['awaiting', `state = 'awaiting'`, ['112,400 of 250,000', 'Waiting for confirmation', 'Kept']],
  ];

  it.each(STATES)('says the same words as the page does when it is loaded (%s)', async (shown, change, words) => {
    const { id } = await scheduled();
    await world.sql.unsafe(
      `UPDATE lethe.erasure SET ${change}, started_at = now() - interval '3 hours' WHERE id = '${id}'`,
    );
    const { page, close } = await openPage(addressOf(id));
    expect(await page.locator('main').getAttribute('data-shown')).toBe(shown);
    // From now on the page learns from events alone.
    await page.route('**/status/**', (route) => route.abort());
    await world.sql`UPDATE lethe.task SET rows_planned = CASE location WHEN 'posts' THEN 250000 WHEN 'feeds' THEN 312 ELSE 1 END,
      state = CASE location WHEN 'posts' THEN 'running' WHEN 'feeds' THEN 'awaiting' WHEN 'sessions' THEN 'retained' ELSE state END
      WHERE erasure_id = ${id}`;
    await world.sql`INSERT INTO lethe.chunk (task_id, pass, number, rows_planned, rows_deleted)
      SELECT id, 1, 1, 250000, 112400 FROM lethe.task WHERE erasure_id = ${id} AND location = 'posts'`;
    await until('the update is shown', async () => (await liveParts(page)).includes('112,400 of 250,000'));
    const loaded = await openPage(addressOf(id), { javaScriptEnabled: false });
    expect(await liveParts(page)).toEqual(await liveParts(loaded.page));
    expect(await liveParts(page)).toEqual(expect.arrayContaining(words));
    await loaded.close();
    await close();
  });
});

describe('who may', () => {
  it('a link that is wrong in any way opens the same page', async () => {
    const { id } = await scheduled();
    const other = await scheduled();
    const token = deriveToken([SECRET], 'status', id);
    const wrong = [
      `/status/${id}`,
      `/status/${id}?token=`,
      `/status/${id}?token=v1.wrong`,
      `/status/${other.id}?token=${token}`,
      `/status/${id.toUpperCase()}?token=${token}`,
      `/status/0193f0a0-0000-7000-8000-000000000000?token=${deriveToken([SECRET], 'status', '0193f0a0-0000-7000-8000-000000000000')}`,
      `/status/${id}/start`,
      `/status/${id}/undo?token=${token}`,
      '/status/',
      '/status/%00?token=x',
    ];
    const pages = new Set<string>();
    for (const path of wrong) {
      const answer = await call('GET', path, { auth: null });
      expect([path, answer.status, answer.headers.get('content-type')]).toEqual([
        path,
        404,
        'text/html; charset=UTF-8',
      ]);
      expect(answer.headers.get('www-authenticate')).toBeNull();
      pages.add(String(answer.body.text));
    }
    expect([...pages]).toEqual([expect.stringContaining('We cannot find that page')]);
    const { page, close } = await openPage(call.base + wrong[2]);
    expect(await heading(page)).toBe('We cannot find that page');
    await close();
  });

  it('looking changes nothing, whoever follows the links', async () => {
    const { id } = await scheduled();
    const before = await everything(world.sql);
    const token = deriveToken([SECRET], 'status', id);
    for (const path of [`/status/${id}`, `/status/${id}/start`, `/status/${id}/undo`]) {
      for (const method of ['GET', 'HEAD']) await call(method, `${path}?token=${token}`, { auth: null });
    }
    expect(await everything(world.sql)).toBe(before);
  });

  it('a form of another site without the token does nothing', async () => {
    const { id } = await scheduled();
    const before = await everything(world.sql);
    const { page, close } = await openPage('about:blank');
    for (const action of ['undo', 'start']) {
      await page.goto('about:blank');
      // Another site: the page's address is 127.0.0.1.
      await page.route('http://elsewhere.test/', (route) =>
        route.fulfill({
          contentType: 'text/html',
          body: `<form method="post" action="${call.base}/status/${id}/${action}"><input name="token" value="v1.guess"><button>Win</button></form>`,
        }),
      );
      await page.goto('http://elsewhere.test/');
      const [answer] = await Promise.all([
        page.waitForResponse((r) => r.url().includes(id) && r.request().method() === 'POST'),
        click(page, 'Win'),
      ]);
      expect(answer.status()).toBe(404);
      await says(page, 'We cannot find that page');
      await page.unroute('http://elsewhere.test/');
    }
    expect(await everything(world.sql)).toBe(before);
    await close();
  });

  it('the page’s own forms work where browsers tell no origin', async () => {
    const { id } = await scheduled();
    // Neither https nor this machine by its name: no Sec-Fetch-Site, and with no-referrer `Origin: null`.
    const { page, close } = await openPage(addressOf(id, call.base.replace('127.0.0.1', 'lethe.test')));
    const [request] = await Promise.all([
      page.waitForRequest((r) => r.method() === 'POST'),
      click(page, 'Undo the deletion'),
    ]);
    const sent = await request.allHeaders();
    expect([sent.origin, sent['sec-fetch-site'], sent.referer]).toEqual(['null', undefined, undefined]);
    await says(page, 'Your account stays');
    await close();
  });

  it('what is not a form, or too large for one, gets a page too', async () => {
    const { id } = await scheduled();
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const large = await call('POST', `/status/${id}/undo`, { auth: null, raw: 'x'.repeat(20_000), headers: form });
    expect([large.status, large.headers.get('content-type')]).toEqual([413, 'text/html; charset=UTF-8']);
    const json = await call('POST', `/status/${id}/undo`, { auth: null, body: { token: 'x' } });
    expect([json.status, json.headers.get('content-type')]).toEqual([404, 'text/html; charset=UTF-8']);
  });
});

describe('too many requests', () => {
  it('are answered with a page as well', async () => {
    const { id } = await scheduled();
    const limited = await world.api({ LETHE_RATE_LIMIT: '2' });
    // Requests are let through while Redis is slow to answer, so it may take more than three.
    const headers = await until('it is too much', async () => {
      const answer = await fetch(addressOf(id, limited.base));
      return answer.status === 429 && answer.headers;
    });
    expect(headers.get('content-type')).toBe('text/html; charset=UTF-8');
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(5);
  });
});

describe('while the database is away', () => {
  it('a page says so and tries again by itself, with a script and without', async () => {
    const server = await startPostgres({ fsync: 'off' });
    await createTemplate(server);
    const own = await createWorld({ postgresUrl: server.url() });
    const api = await own.api();
    const { account } = await subject(own.sql);
    const address = addressOf((await accepted(api, account)).id, api.base);
    await server.stop();
    const windows = [await openPage(address), await openPage(address, { javaScriptEnabled: false })];
    for (const { page, answer } of windows) {
      expect([answer?.status(), answer?.headers()['retry-after']]).toEqual([503, '5']);
      expect(await heading(page)).toBe('Just a moment');
    }
    const [withScript] = windows.map(({ page }) => page) as [Page, Page];
    expect(await findViolations(withScript)).toEqual([]);
    await takePicture(withScript, 'unavailable-light');
    await server.start();
    for (const { page, close } of windows) {
      await says(page, 'Your account will be deleted');
      await close();
    }
    await own.close();
    await server.destroy();
  });
});

describe('headers', () => {
  it('keep the page out of caches, frames, search engines and other sites’ logs', async () => {
    const { id } = await scheduled();
    for (const address of [addressOf(id), `${call.base}/status/nothing`]) {
      const { headers } = await fetch(address);
      expect(Object.fromEntries(headers)).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex',
        'x-frame-options': 'DENY',
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      });
    }
  });

  it('let browsers keep a style sheet for ever, but only the one that the page asked for', async () => {
    const { id } = await scheduled();
    const text = await (await fetch(addressOf(id))).text();
    const assets = [...text.matchAll(/"(\/assets\/[\w.]+\?v=[\w-]{12})"/g)].map(([, path]) => String(path));
    expect(assets).toHaveLength(3);
    for (const path of assets) {
      const { status, headers } = await fetch(call.base + path);
      expect(status).toBe(200);
      expect(headers.get('content-type')).toBe(
        path.includes('.js') ? 'text/javascript; charset=utf-8' : 'text/css; charset=utf-8',
      );
      expect(headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      const old = await fetch(call.base + path.replace(/v=.*/, 'v=old'));
      expect([old.status, old.headers.get('cache-control')]).toEqual([200, 'no-cache']);
    }
    for (const name of ['..%2fstatus.css', 'status.ts', '__proto__'])
      expect((await fetch(`${call.base}/assets/${name}`)).status).toBe(404);
  });
});
