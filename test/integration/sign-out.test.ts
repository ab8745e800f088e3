import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cancelErasure } from '../../src/erasure/accept/cancel.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import { readHistory } from '../../src/erasure/progress/history.ts';
import { revokeCall } from '../../src/erasure/revoke/revoke-call.ts';
import { DUE_REVOCATIONS, revokeTokens } from '../../src/erasure/revoke/revoke-tokens.ts';
import { accountSignOut } from '../../src/jobs/list/account-sign-out.ts';
import type { Put } from '../../src/jobs/model/job.ts';
import { createLogger } from '../../src/logger.ts';
import type { Resources } from '../../src/resources.ts';
import { takeDue } from '../../src/store/take-due.ts';
import { request } from '../support/run-by-hand.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

const SECRET = 'o'.repeat(40);

let application: Server;
let url: string;
let answers: number[];
let tokens: string[];
let world: World;
let domain: Resources;
let call: Call;

beforeAll(async () => {
  application = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => {
      body += chunk;
    });
    req.on('end', () => {
      tokens.push(new URLSearchParams(body).get('logout_token') ?? '');
      const status = answers.shift() ?? 200;
      if (status === 0) return res.destroy();
      res.writeHead(status, status === 302 ? { Location: '/elsewhere' } : {}).end();
    });
  });
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(application.address() as AddressInfo).port}/backchannel-logout`;
  world = await createWorld({ env: { LETHE_SIGN_OUT_URL: url, LETHE_SIGN_OUT_SECRET: SECRET } });
  domain = await world.domain();
  call = await world.api();
});
afterAll(async () => {
  await world.close();
  application.close();
});
beforeEach(() => {
  answers = [];
  tokens = [];
});

const options = () => ({ url, secret: SECRET, issuer: 'http://lethe.test' });
const events = async (id: string) =>
  (await readHistory(domain.ctx.db, id)).map((e) => e.type).filter((type) => /sign/.test(type));
const pending = async (id: string) => (await findErasure(domain.ctx.db, id))?.signOutAt ?? null;
/** Takes the revocations that are due, and gives their erasures. */
const take = async () => {
  const taken: string[] = [];
  await takeDue(domain.ctx.db, DUE_REVOCATIONS, async (id) => taken.push(id) > 0);
  return taken;
};
/** What reconcile orders of the job, and for which erasures. */
const ordered = async (ctx: Context) => {
  const ids: unknown[] = [];
  const put: Put = async ({ ids: { erasureId } }) => ids.push(erasureId) > 0;
  if ('find' in accountSignOut.due) await accountSignOut.due.find({ ctx, put, isLive: async () => true });
  return ids;
};
/** Only this erasure's sign-out call is due. */
const alone = (id: string) => world.sql`UPDATE lethe.erasure SET sign_out_at = NULL WHERE id <> ${id}`;

describe('the sign-out call', () => {
  it.each([
    ['small', SMALL],
    ['large', LARGE],
  ])('follows the acceptance of a %s account, from a worker, once', async (_, posts) => {
    const { account } = await subject(world.sql, posts);
    const worker = await world.worker({ LETHE_RECONCILE_INTERVAL: '60s' });
    const answer = await call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
    const id = String(answer.body.id);
    await until('the application was told', async () => (await events(id)).length === 1, 30_000);
    expect(await events(id)).toEqual(['account.signed_out']);
    expect(await pending(id)).toBeNull();
    expect(tokens).toHaveLength(1);
    const { payload, protectedHeader } = await jwtVerify(tokens[0] as string, new TextEncoder().encode(SECRET), {
      issuer: 'http://lethe.test',
      audience: new URL(url).origin,
    });
    expect(protectedHeader).toEqual({ alg: 'HS256', typ: 'logout+jwt' });
    expect(payload).toMatchObject({
      sub: account,
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    });
    expect(Number(payload.exp) - Number(payload.iat)).toBe(120);
    await worker.stop();
  });

  it.each([500, 404, 302, 0])('answered with %i is tried again until it is taken', async (status) => {
    const id = await request(domain.ctx, (await subject(world.sql, SMALL)).account);
    await alone(id);
    answers = [status];
    const attempt = () => revokeTokens(domain.ctx, revokeCall(options()), id);
    await expect(attempt()).rejects.toThrow(/^sign_out_deferred/);
    expect(await events(id)).toEqual([]);
    expect(await pending(id)).not.toBeNull();
    expect(await attempt()).toBe('signed out');
    expect(await attempt()).toBe('skipped');
    expect(tokens).toHaveLength(2);
    expect(await events(id)).toEqual(['account.signed_out']);
  });

  it('that lost its job is taken up by reconcile, by one of two', async () => {
    const id = await request(domain.ctx, (await subject(world.sql, SMALL)).account);
    await alone(id);
    const taken = await Promise.all([take(), take()]);
    expect(taken.flat()).toEqual([id]);
    expect(await take()).toEqual([]);
  });

  it('is passed over by both while somebody holds its erasure, and taken by one afterwards', async () => {
    const id = await request(domain.ctx, (await subject(world.sql, SMALL)).account);
    await alone(id);
    const taken = await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM lethe.erasure WHERE id = ${id} FOR UPDATE`;
      let ended = false;
      const both = Promise.all([take(), take()]).finally(() => {
        ended = true;
      });
      await until('both have ended, or wait', async () => {
        const waiting = await world.sql`
          SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
        return ended || waiting.length === 2;
      });
      return { both };
    });
    expect((await taken.both).flat()).toEqual([]);
    expect(await take()).toEqual([id]);
  });

  it('is given up after a day, loudly', async () => {
    const id = await request(domain.ctx, (await subject(world.sql, SMALL)).account);
    await world.sql`UPDATE lethe.erasure SET requested_at = now() - interval '25 hours' WHERE id = ${id}`;
    answers = [503];
    const ctx = { ...domain.ctx, log: createLogger('silent', 'test') };
    expect(await revokeTokens(ctx, revokeCall(options()), id)).toBe('given up');
    expect(await events(id)).toEqual(['account.sign_out_failed']);
    expect(await pending(id)).toBeNull();
  });

  it('is not made after an undo', async () => {
    const { account } = await subject(world.sql, LARGE);
    const id = await request(domain.ctx, account);
    const scheduled = await findErasure(domain.ctx.db, id);
    if (!scheduled) throw new Error('no erasure');
    await cancelErasure(domain.ctx, scheduled);
    expect(await revokeTokens(domain.ctx, revokeCall(options()), id)).toBe('skipped');
    expect(tokens).toHaveLength(0);
  });

  it('is not made for somebody new who has the key by then', async () => {
    for (const posts of [SMALL, LARGE]) {
      const s = await subject(world.sql, posts);
      const answer = await call('POST', `/v1/accounts/${s.account}/erasure`, { body: {} });
      const id = String(answer.body.id);
      expect(await pending(id)).not.toBeNull();
      await world.sql`DELETE FROM accounts WHERE id = ${s.account}`;
      await world.sql`INSERT INTO accounts (id, email, created_at) OVERRIDING SYSTEM VALUE
        VALUES (${s.account}, ${`new-${s.account}@example.com`}, clock_timestamp())`;
      expect(await revokeTokens(domain.ctx, revokeCall(options()), id)).toBe('skipped');
      expect(tokens).toEqual([]);
      expect(await pending(id)).toBeNull();
    }
  });

  it('is not asked for where no address is configured', async () => {
    const { ctx } = await world.domain({ LETHE_SIGN_OUT_URL: '' });
    const before = await request(domain.ctx, (await subject(world.sql, SMALL)).account);
    expect(await pending(before)).not.toBeNull();
    expect(await ordered(ctx)).toEqual([]);
    expect(await ordered(domain.ctx)).toContain(before);
    const id = await request(ctx, (await subject(world.sql, SMALL)).account);
    expect(await pending(id)).toBeNull();
  });
});
