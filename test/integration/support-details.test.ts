import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { readHistory } from '../../src/erasure/progress/history.ts';
import { scrubExpired } from '../../src/erasure/upkeep/scrub.ts';
import { appendEvent } from '../../src/events/append.ts';
import { hashPassword } from '../../src/http/sign-in/password.ts';
import { shortId } from '../../src/http/support/words/marks.ts';
import type { Resources } from '../../src/resources.ts';
import { OWN_TABLES } from '../../src/store/limits.ts';
import { transaction } from '../../src/store/transaction.ts';
import { runVerb } from '../support/command-line.ts';
import { cookieOf } from '../support/dashboard.ts';
import { request } from '../support/run-by-hand.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

const PASSWORD = 'correct horse battery';
let world: World;
let domain: Resources;
let page: (path: string) => Promise<string>;
beforeAll(async () => {
  world = await createWorld({ env: { LETHE_DASHBOARD_USERS: `ann=ops=${await hashPassword(PASSWORD)}` } });
  domain = await world.domain();
  const call = await world.api();
  const cookie = await cookieOf(call, 'ann', PASSWORD);
  page = async (path) => (await fetch(`${call.base}/admin/erasures${path}`, { headers: { Cookie: cookie } })).text();
});
afterAll(() => world.close());

describe('a process', () => {
  it.each([
    ['api', 'PORT'],
    ['api', 'LETHE_METRICS_PORT'],
    ['worker', 'LETHE_METRICS_PORT'],
  ])('%s names %s in one line when another one listens there', async (role, variable) => {
    const other = createServer().listen(0, '127.0.0.1');
    await until('the other listens', () => other.listening);
    const { port } = other.address() as AddressInfo;
    const refused = world.spawn([role], { [variable]: String(port), LOG_LEVEL: 'silent' });
    expect(await refused.exited).toBe(2);
    expect(refused.output()).toBe(
      `lethe: ${variable}: cannot listen on 127.0.0.1:${port}: another process listens there already (EADDRINUSE)\n`,
    );
    other.close();
  });

  it.each(['api', 'worker'])('%s does not say at its start that Redis is away', async (role) => {
    const started = world.spawn([role], { LETHE_METRICS_PORT: '0' });
    const port = await until('it listens', () => /"metricsPort":(\d+)/.exec(started.output())?.[1]);
    await until('it has met Redis', async () => {
      const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
      return ((await ready.json()) as { redis: string }).redis === 'ok';
    });
    started.child.kill('SIGTERM');
    await started.exited;
    expect(started.output()).not.toContain('Redis is');
  });
});

it('lethe plan and lethe catalog check need neither Redis nor a secret', async () => {
  const { account } = await subject(world.sql, SMALL);
  const env = { DATABASE_URL: world.url, LETHE_CATALOG: world.env.LETHE_CATALOG as string };
  expect(await runVerb(env, ['plan', account])).toMatchObject({ code: 0, err: '' });
  expect(await runVerb(env, ['catalog', 'check'])).toMatchObject({ code: 0, err: '' });
});

describe('what happened', () => {
  it('is told in true order and to the second, whichever transaction began first', async () => {
    const id = await request(domain.ctx, (await subject(world.sql, LARGE)).account);
    const { db } = domain.ctx;
    await transaction(db, OWN_TABLES, async (first) => {
      await first.execute('SELECT 1');
      await transaction(db, OWN_TABLES, (second) => appendEvent(second, id, 'pass.started', { pass: 2 }));
      await appendEvent(first, id, 'pass.started', { pass: 3 });
    });
    const history = await readHistory(db, id);
    const times = history.map((entry) => entry.at.getTime());
    expect(history.slice(-2).map((entry) => entry.data.pass)).toEqual([2, 3]);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    // By the clock of the server, not by the beginning of the transaction.
    const [row] =
      await world.sql`SELECT count(DISTINCT at)::int AS n FROM lethe.event WHERE erasure_id = ${id} AND type = 'pass.started'`;
    expect(row?.n).toBe(2);
    const [, latest] =
      await world.sql`SELECT id, at FROM lethe.event WHERE erasure_id = ${id} AND type = 'pass.started' ORDER BY id`;
    expect(history.at(-1)?.at.getTime()).toBe(latest?.at.getTime());
    expect(await page(`/${id}`)).toMatch(/<time datetime="[^"]+">\d\d:\d\d:\d\d UTC<\/time> <bdi>Pass 3/);
  });

  it('tells why it was held, also after the release, until the evidence is scrubbed', async () => {
    const id = await request(domain.ctx, (await subject(world.sql, LARGE)).account);
    await holdErasure(domain.ctx, id, 'user:ann', 'legal case 7');
    await releaseErasure(domain.ctx, id, 'user:bob');
    expect(await page(`/${id}`)).toContain('Put on hold by ann: legal case 7');
    await world.sql`UPDATE lethe.erasure SET state = 'cancelled', cancelled_at = now() - interval '10 years' WHERE id = ${id}`;
    await scrubExpired(domain.ctx);
    expect(await page(`/${id}`)).not.toContain('legal case 7');
    expect(JSON.stringify(await world.sql`SELECT data FROM lethe.event WHERE erasure_id = ${id}`)).not.toContain(
      'legal',
    );
  });
});

describe('the search', () => {
  it('takes the beginning of an id, and the short form that the list shows', async () => {
    const id = await request(domain.ctx, (await subject(world.sql, LARGE)).account);
    const short = shortId(id);
    expect(await page('')).toContain(short);
    for (const q of [short, short.replace('…', '...'), id.slice(0, 30), id.slice(0, 13).toUpperCase()])
      expect(await page(`?q=${encodeURIComponent(q)}`), q).toContain(`href="/admin/erasures/${id}"`);
    const other = `${id.slice(0, 8)}…${id.slice(-6, -1)}${id.endsWith('0') ? '1' : '0'}`;
    expect(await page(`?q=${encodeURIComponent(other)}`)).not.toContain(`href="/admin/erasures/${id}"`);
    expect(await page('?q=zzzzzz')).toContain('neither an account');
  });
});
