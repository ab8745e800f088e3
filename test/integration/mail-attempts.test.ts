import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { eraseNow } from '../../src/erasure/accept/start.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { scrubExpired } from '../../src/erasure/upkeep/scrub.ts';
import { statusUrl } from '../../src/http/access/status-link.ts';
import { resendProvider } from '../../src/mail/resend.ts';
import { sendMail } from '../../src/mail/send.ts';
import { checksum, rowsOf } from '../support/evidence.ts';
import {
  addressOf,
  findNotification,
  mailEvents,
  type Notification,
  notificationIn,
} from '../support/notifications.ts';
import { type ResendServer, startResend } from '../support/resend-server.ts';
import { SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

let server: ResendServer;
let world: World;
let ctx: Context;
const lines: Record<string, unknown>[] = [];
const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) });

beforeAll(async () => {
  server = await startResend();
  world = await createWorld({ env: server.env });
  ctx = (await world.domain()).ctx;
});
afterAll(async () => {
  await world.close();
  await server.close();
});

/** An erasure that is completed and whose mail has not been tried. */
async function erased() {
  const { account, bystander, email, sum } = await subject(world.sql, SMALL);
  const { erasure } = await requestErasure(ctx, { accountKey: [account], requestedBy: 'key:test' });
  expect(await eraseNow(ctx, erasure)).toBeNull();
  expect(await rowsOf(world.sql, account)).toEqual({ sessions: 0, posts: 0, feeds: 0, accounts: 0 });
  expect(await checksum(world.sql, bystander)).toBe(sum);
  const { id } = await notificationIn(world.sql, erasure.id, 'completed', 'pending');
  const row = async () => (await findNotification(world.sql, erasure.id, 'completed')) as Notification;
  return { erasureId: erasure.id, id, email, row };
}

const send = (id: string, options: { from?: string; timeoutMs?: number } = {}) =>
  sendMail(
    {
      db: ctx.db,
      log,
      statusUrl: statusUrl(world.config('api')),
      provider: resendProvider({
        apiKey: server.apiKey,
        baseUrl: server.baseUrl,
        from: server.env.LETHE_MAIL_FROM,
        timeoutMs: 2_000,
        ...options,
      }),
    },
    id,
  );

/** Runs `work` in a process whose clock is two days ahead. */
async function ahead<T>(work: () => Promise<T>): Promise<T> {
  const { now } = Date;
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + 48 * 3_600_000);
  try {
    return await work();
  } finally {
    clock.mockRestore();
  }
}

const ago = (id: string, hours: number) =>
  world.sql`UPDATE lethe.notification SET unknown_since = unknown_since - ${hours} * interval '1 hour',
    created_at = created_at - ${hours} * interval '1 hour' WHERE id = ${id}`;

describe('a provider that does not answer', () => {
  it.each([
    ['silence', false],
    ['silence', true],
    ['half_an_answer', false],
    ['half_an_answer', true],
  ] as const)(
    '%s (delivered: %s) times out, and the next attempt makes it one mail',
    async (failure, afterDelivery) => {
      const { erasureId, id, email, row } = await erased();
      server.fail(failure, { afterDelivery });
      const began = Date.now();
      await expect(send(id, { timeoutMs: 300 })).rejects.toMatchObject({ code: 'mail_deferred', detail: 'timeout' });
      expect(Date.now() - began).toBeGreaterThanOrEqual(290);
      expect(Date.now() - began).toBeLessThan(3_000);
      const tried = await row();
      expect(tried).toMatchObject({ state: 'pending', attempt: 1, outcome: 'timeout', provider_id: null });
      expect(tried.unknown_since).toBeInstanceOf(Date);
      expect(await addressOf(world.sql, erasureId)).toBe(email);
      expect(server.deliveredTo(email)).toHaveLength(afterDelivery ? 1 : 0);

      expect(await send(id)).toBe('sent');
      const [mail, ...more] = server.deliveredTo(email);
      expect(more).toEqual([]);
      expect(await row()).toMatchObject({ state: 'sent', attempt: 2, outcome: null, provider_id: mail?.id });
      expect(await addressOf(world.sql, erasureId)).toBeNull();
    },
  );
});

describe('an outcome that stays unknown', () => {
  it.each([
    [22.9, 'sent', 2],
    [23.1, 'uncertain', 1],
    [24.5, 'uncertain', 1],
  ] as const)('after %s hours: %s, and one mail in any case', async (hours, outcome, requests) => {
    const { erasureId, id, email, row } = await erased();
    server.fail('internal_server_error', { afterDelivery: true });
    await expect(send(id)).rejects.toMatchObject({ code: 'mail_deferred' });
    await ago(id, hours);
    if (hours > 24) server.forgetKeys();
    expect(await send(id)).toBe(outcome);
    expect(server.requestsFor(email)).toHaveLength(requests);
    expect(server.deliveredTo(email)).toHaveLength(1);
    expect(await row()).toMatchObject({ state: outcome });
    expect(await mailEvents(world.sql, erasureId)).toMatchObject([{ type: `mail.${outcome}`, data: { attempt: 2 } }]);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    const errors = lines.filter((line) => line.notificationId === id && line.level === 50);
    expect(errors).toMatchObject(outcome === 'sent' ? [] : [{ kind: 'completed', outcome: 'unknown_too_long' }]);
    expect(await send(id)).toBe('skipped');
    expect(server.requestsFor(email)).toHaveLength(requests);
  });

  it('is none of a process whose clock is two days ahead: it sends the mail', async () => {
    const { id, row } = await erased();
    expect(await ahead(() => send(id))).toBe('sent');
    expect(await row()).toMatchObject({ state: 'sent', attempt: 1 });
  });

  it('is not made certain by later refusals', async () => {
    const { id, email, row } = await erased();
    server.fail('application_error', { afterDelivery: true });
    server.fail('rate_limit_exceeded', { times: 2 });
    for (const code of ['application_error', 'rate_limit_exceeded', 'rate_limit_exceeded']) {
      await expect(send(id)).rejects.toMatchObject({ code: 'mail_deferred', detail: code });
      await ago(id, 11);
      expect((await row()).unknown_since).toBeInstanceOf(Date);
    }
    server.forgetKeys();
    expect(await send(id)).toBe('uncertain');
    expect(server.deliveredTo(email)).toHaveLength(1);
  });
});

describe('definite refusals', () => {
  it('over more than a day are not uncertain: the mail is sent once they end', async () => {
    const { erasureId, id, email, row } = await erased();
    server.fail('rate_limit_exceeded', { times: 2 });
    server.fail('daily_quota_exceeded', { times: 2 });
    for (const outcome of ['deferred now', 'deferred now', 'deferred', 'deferred']) {
      if (outcome === 'deferred') expect(await send(id)).toBe('deferred');
      else await expect(send(id)).rejects.toMatchObject({ code: 'mail_deferred', detail: 'rate_limit_exceeded' });
      await ago(id, 12);
      expect(await row()).toMatchObject({ state: 'pending', unknown_since: null });
    }
    expect(await send(id)).toBe('sent');
    expect(server.deliveredTo(email)).toHaveLength(1);
    expect(await row()).toMatchObject({ state: 'sent', attempt: 5 });
    expect(await mailEvents(world.sql, erasureId)).toMatchObject([{ type: 'mail.sent' }]);
  });
});

describe('a key that was used with another body', () => {
  it('is uncertain: the mail that was taken stands, this one does not go', async () => {
    const { erasureId, id, email, row } = await erased();
    server.fail('connection_reset', { afterDelivery: true });
    await expect(send(id, { from: 'Before <before@reader.example>' })).rejects.toMatchObject({ code: 'mail_deferred' });
    expect(await send(id, { from: 'After <after@reader.example>' })).toBe('uncertain');
    expect(server.deliveredTo(email)).toMatchObject([{ from: 'Before <before@reader.example>' }]);
    expect(await row()).toMatchObject({ state: 'uncertain', outcome: 'invalid_idempotent_request', provider_id: null });
    expect(await mailEvents(world.sql, erasureId)).toEqual([
      { type: 'mail.uncertain', data: { kind: 'completed', attempt: 2, outcome: 'invalid_idempotent_request' } },
    ]);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    expect(lines.filter((line) => line.notificationId === id && line.level === 50)).toHaveLength(1);
  });
});

describe('errors that are not the API’s', () => {
  it('in JSON leave the outcome unknown: they refuse nothing', async () => {
    const { id, email, row } = await erased();
    server.fail('gateway_json', { afterDelivery: true });
    await expect(send(id)).rejects.toMatchObject({ code: 'mail_deferred' });
    expect((await row()).unknown_since).toBeInstanceOf(Date);
    expect(await send(id)).toBe('sent');
    expect(server.deliveredTo(email)).toHaveLength(1);
  });
});

describe('two attempts at once', () => {
  it('make one mail, and the one that was refused does not touch the result', async () => {
    const { erasureId, id, email, row } = await erased();
    const release = server.hold();
    // It must not time out before it is let go.
    const first = send(id, { timeoutMs: 20_000 });
    await until('the first request is in flight', () => server.requestsFor(email).length === 1);
    await expect(send(id)).rejects.toMatchObject({ code: 'mail_deferred', detail: 'concurrent_idempotent_requests' });
    expect((await row()).unknown_since).toBeInstanceOf(Date);
    release();
    expect(await first).toBe('sent');
    expect(await send(id)).toBe('skipped');
    expect(server.deliveredTo(email)).toHaveLength(1);
    expect(server.requestsFor(email)).toHaveLength(2);
    expect(await row()).toMatchObject({ state: 'sent', attempt: 2, outcome: null });
    expect(await mailEvents(world.sql, erasureId)).toHaveLength(1);
  });

  it('a refusal that comes back late leaves a result that another attempt recorded', async () => {
    const { id, email, row } = await erased();
    const release = server.hold();
    server.fail('rate_limit_exceeded', { afterDelivery: true });
    const late = send(id);
    await until('the first request is in flight', () => server.requestsFor(email).length === 1);
    // As another worker would have recorded it meanwhile.
    await world.sql`UPDATE lethe.notification SET state = 'sent', attempt = 2, provider_id = 'theirs', outcome = NULL,
      unknown_since = NULL, finished_at = now() WHERE id = ${id}`;
    const recorded = await row();
    release();
    expect(await late).toBe('skipped');
    expect(await row()).toEqual(recorded);
  });
});

describe('a sender that is mended after a day', () => {
  it('sends what waited, although the provider remembers the key of the refused request', async () => {
    const { erasureId, id, email, row } = await erased();
    server.fail('domain_not_verified');
    expect(await send(id, { from: 'Wrong <wrong@elsewhere.example>' })).toBe('blocked');
    await ago(id, 30);
    server.fail('invalid_idempotent_request');
    expect(await send(id)).toBe('blocked');
    expect(await row()).toMatchObject({ state: 'pending', outcome: 'invalid_idempotent_request', unknown_since: null });
    expect(await addressOf(world.sql, erasureId)).toBe(email);
    expect(await send(id)).toBe('sent');
    expect(server.deliveredTo(email)).toMatchObject([{ from: server.env.LETHE_MAIL_FROM }]);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
  });
});

describe('a mail that waited until the ledger was scrubbed', () => {
  it('has failed: the address is forgotten, and an operator is told why it never went', async () => {
    const { erasureId, id, email, row } = await erased();
    server.fail('domain_not_verified');
    expect(await send(id)).toBe('blocked');
    const completed = (days: number) =>
      world.sql`UPDATE lethe.erasure SET completed_at = now() - ${days} * interval '1 day' WHERE id = ${erasureId}`;
    await completed(34);
    expect(await scrubExpired(ctx)).toMatchObject({ scrubbed: 0 });
    expect(await addressOf(world.sql, erasureId)).toBe(email);
    await completed(36);
    expect(await scrubExpired(ctx)).toMatchObject({ scrubbed: 1 });
    expect(await send(id)).toBe('failed');
    expect(await row()).toMatchObject({
      state: 'failed',
      outcome: 'domain_not_verified',
      finished_at: expect.any(Date),
    });
    expect(await mailEvents(world.sql, erasureId)).toEqual([
      { type: 'mail.failed', data: { kind: 'completed', attempt: 1, outcome: 'domain_not_verified' } },
    ]);
    expect(lines.filter((line) => line.notificationId === id && line.level === 50)).toMatchObject([
      { outcome: 'domain_not_verified', msg: 'mail failed: tell the user by other means' },
    ]);
    expect(server.requestsFor(email)).toHaveLength(1);
    expect(await send(id)).toBe('skipped');
  });
});
