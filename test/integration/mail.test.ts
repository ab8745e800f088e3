import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { receivedMail } from '../../src/mail/templates.ts';
import { checksum, expectErased } from '../support/evidence.ts';
import { addressOf, mailEvents, notificationIn } from '../support/notifications.ts';
import { type ResendServer, startResend } from '../support/resend-server.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, READER_CATALOG, type World } from '../support/world.ts';

/** Characters that mean something in HTML: a URL may hold them. */
const PUBLIC_URL = `http://lethe.test/r&d/'reader'`;

let server: ResendServer;
let world: World;
let call: Call;

beforeAll(async () => {
  server = await startResend();
  world = await createWorld({ env: { ...server.env, LETHE_PUBLIC_URL: PUBLIC_URL } });
  call = await world.api();
  await world.worker();
});
afterAll(async () => {
  await world.close();
  await server.close();
});

const decode = (html: string) => html.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)));

describe('the mail "completed"', () => {
  it('goes to the address that the account had, once, and then the address is forgotten', async () => {
    const { account, bystander, email, before, sum } = await subject(world.sql, SMALL);
    const answer = await call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
    expect(answer.body.state).toBe('completed');
    const erasureId = String(answer.body.id);
    const sent = await notificationIn(world.sql, erasureId, 'completed', 'sent');

    const [mail, ...more] = server.deliveredTo(email);
    expect(more).toEqual([]);
    expect(mail).toMatchObject({
      from: 'Reader <no-reply@reader.example>',
      to: email,
      subject: 'Your account has been deleted',
      key: `lethe-${sent.id}`,
    });
    const done = new Date(String(answer.body.completedAt));
    const day = `${done.getUTCDate()} ${done.toLocaleString('en-GB', { month: 'long', timeZone: 'UTC' })} ${done.getUTCFullYear()}`;
    for (const part of [mail?.text, mail?.html]) {
      expect(part).toContain(`were deleted on ${day}`);
      expect(part).toContain(`Reference: ${erasureId}`);
      expect(part).not.toContain('token=');
      expect(part).not.toContain(email);
    }
    expect(mail?.html).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect(mail?.text).not.toMatch(/<\w/);

    expect(sent).toMatchObject({ attempt: 1, provider_id: mail?.id, outcome: null, unknown_since: null });
    expect(await mailEvents(world.sql, erasureId)).toEqual([
      { type: 'mail.sent', data: { kind: 'completed', attempt: 1 } },
    ]);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    await expectErased(world.sql, account, erasureId, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });
});

describe('the mail "received"', () => {
  it('carries a link that opens the erasure without signing in; "completed" follows it', async () => {
    const { account, bystander, email, before, sum } = await subject(world.sql, LARGE);
    const answer = await call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
    expect(answer.status).toBe(202);
    const erasureId = String(answer.body.id);
    await notificationIn(world.sql, erasureId, 'received', 'sent');
    const [mail] = server.deliveredTo(email);
    expect(mail?.subject).toBe('We have received your request to delete your account');
    const startsAt = new Date(String(answer.body.startsAt));
    expect(mail?.text).toContain(`starts by ${startsAt.getUTCDate()} `);
    expect(mail?.text).toContain(`, ${startsAt.toISOString().slice(11, 16)} UTC. Until it has started you can undo it`);
    expect(await addressOf(world.sql, erasureId)).toBe(email);

    const inText = /See the state of your request: (\S+)/.exec(mail?.text ?? '')?.[1] ?? '';
    const inHtml = /<a href="([^"]*)">/.exec(mail?.html ?? '')?.[1] ?? '';
    expect(inText).toBe(answer.body.statusUrl);
    expect(inText.startsWith(`${PUBLIC_URL}/status/${erasureId}?token=`)).toBe(true);
    expect(inHtml).toContain('/r&#38;d/&#39;reader&#39;/');
    expect(decode(inHtml)).toBe(inText);

    const path = inText.slice(PUBLIC_URL.length).replace('/status/', '/v1/erasures/');
    const opened = await call('GET', path, { auth: null });
    expect(opened.status).toBe(200);
    expect(opened.body).toMatchObject({ id: erasureId, state: 'scheduled' });
    expect((await call('GET', `${path.slice(0, -3)}AAA`, { auth: null })).status).toBe(401);

    await call('POST', `/v1/erasures/${erasureId}/start`);
    await notificationIn(world.sql, erasureId, 'completed', 'sent');
    expect(server.deliveredTo(email).map((m) => m.subject)).toEqual([
      'We have received your request to delete your account',
      'Your account has been deleted',
    ]);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    expect((await call('GET', path, { auth: null })).body.state).toBe('completed');
    await expectErased(world.sql, account, erasureId, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });

  it('is HTML in which nothing that was put in is markup', () => {
    const hostile = `"><script>alert('x')</script>&`;
    const now = new Date('2026-11-22T14:00:00Z');
    const mail = receivedMail({
      to: 'a@example.com',
      erasureId: hostile,
      requestedAt: now,
      startsAt: now,
      completedAt: null,
      statusUrl: hostile,
    });
    expect(mail.html).not.toContain('<script');
    expect(mail.html).not.toContain('"">');
    expect(decode(mail.html).split(hostile)).toHaveLength(3);
    expect(mail.text.split(hostile)).toHaveLength(3);
  });
});

describe('an account without an address', () => {
  async function eraseWithoutMail(within: World, by: Call, account: string, before: Record<string, number>) {
    const count = () => within.sql`SELECT id FROM lethe.notification`.then((rows) => rows.length);
    const [notifications, requests] = [await count(), server.requestCount()];
    const answer = await by('POST', `/v1/accounts/${account}/erasure`, { body: { startNow: true } });
    const erasureId = String(answer.body.id);
    await until('the erasure is completed', async () => {
      const [row] = await within.sql`SELECT state FROM lethe.erasure WHERE id = ${erasureId}`;
      return row?.state === 'completed';
    });
    await expectErased(within.sql, account, erasureId, before);
    expect(await count()).toBe(notifications);
    expect(server.requestCount()).toBe(requests);
    expect(await mailEvents(within.sql, erasureId)).toEqual([]);
  }

  it.each([
    [SMALL, 'null'],
    [LARGE, 'null'],
    [SMALL, 'empty'],
  ] as const)('(%i posts, address %s) is erased without a mail', async (posts, kind) => {
    const { account, bystander, before, sum } = await subject(world.sql, posts);
    await world.sql`ALTER TABLE accounts ALTER COLUMN email DROP NOT NULL`;
    await world.sql`UPDATE accounts SET email = ${kind === 'null' ? null : ''} WHERE id = ${account}`;
    await eraseWithoutMail(world, call, account, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  });

  it('because the catalog names no column is erased without a mail', async () => {
    const other = await createWorld({ env: server.env, catalog: READER_CATALOG.replace('email: email, ', '') });
    try {
      const { account, bystander, before, sum } = await subject(other.sql, LARGE);
      const otherCall = await other.api();
      await other.worker();
      await eraseWithoutMail(other, otherCall, account, before);
      expect(await checksum(other.sql, bystander)).toBe(sum);
    } finally {
      await other.close();
    }
  });
});
