import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cancelErasure } from '../../src/erasure/accept/cancel.ts';
import { type Erasure, findErasure } from '../../src/erasure/model/states.ts';
import { acknowledgeMessage, DUE_ACKNOWLEDGEMENTS } from '../../src/erasure/partner/acknowledge-message.ts';
import { scrubExpired } from '../../src/erasure/upkeep/scrub.ts';
import { partnerAcknowledge } from '../../src/jobs/list/partner-acknowledge.ts';
import type { Tell, Told } from '../../src/partners/tell.ts';
import type { Resources } from '../../src/resources.ts';
import { takeDue } from '../../src/store/take-due.ts';
import { checksum, expectErased, rowsOf } from '../support/evidence.ts';
import { FIRST, messageOf, PARTNER_SECRET, sendMessage } from '../support/partner-message.ts';
import { request, run } from '../support/run-by-hand.ts';
import { erasuresOf, everything, expectProblem, LARGE, SMALL, subject } from '../support/subject.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;
let call: Call & { base: string };

beforeAll(async () => {
  world = await createWorld({ env: { LETHE_PARTNER_SECRET: PARTNER_SECRET } });
  domain = await world.domain();
  call = await world.api();
});
afterAll(() => world.close());

const kept = async (id: string) => {
  const [row] = await world.sql`SELECT *, sealed IS NOT NULL AS has_token,
    extract(epoch FROM next_at - now())::float8 AS wait FROM lethe.partner_request WHERE id = ${id}`;
  return row;
};
const only = async (account: string) => {
  const found = await erasuresOf(world.sql, account);
  expect(found).toHaveLength(1);
  return (await findErasure(domain.ctx.db, found[0]?.id as string)) as Erasure;
};
/** The account's key, in the hands of somebody new. */
const again = (account: string, email: string) => world.sql`
  INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (${account}, ${`new-${email}`})`;

describe('a message about a small account', () => {
  it('is answered when it is erased; the message again changes nothing', async () => {
    const { account, bystander, before, sum } = await subject(world.sql, SMALL);
    const message = messageOf({ account });
    const answer = await sendMessage(call, message);
    expect([answer.status, answer.body]).toEqual([200, { task: message.id, status: 'erased' }]);
    const erasure = await only(account);
    await expectErased(world.sql, account, erasure.id, before);
    expect(erasure.requestedBy).toBe(`partner:${FIRST}`);
    expect(await checksum(world.sql, bystander)).toBe(sum);
    expect(await kept(message.id)).toMatchObject({ has_token: false, next_at: null, ack_url: null, source: FIRST });
    const stored = await everything(world.sql);
    const repeated = await Promise.all([sendMessage(call, message), sendMessage(call, message)]);
    for (const { status, body } of repeated) expect([status, body]).toEqual([200, answer.body]);
    expect(await everything(world.sql)).toBe(stored);
  });

  it('whose key somebody new has leaves them alone, by its id and by its age', async () => {
    const { account, email } = await subject(world.sql, SMALL);
    const message = messageOf({ account });
    await sendMessage(call, message);
    await again(account, email);
    expect((await sendMessage(call, message)).body.status).toBe('erased');
    const late = messageOf({ account, requestedAt: new Date(Date.now() - 3_600_000) });
    expect((await sendMessage(call, late)).body).toEqual({ task: late.id, status: 'not_found' });
    expect((await rowsOf(world.sql, account)).accounts).toBe(1);
  });

  it('counts ages, so that a clock that is four minutes off changes nothing', async () => {
    const off = 4 * 60_000;
    const { account } = await subject(world.sql, SMALL);
    const behind = new Date(Date.now() - off);
    const message = messageOf({ account, requestedAt: behind });
    expect((await sendMessage(call, message, { at: behind })).body.status).toBe('erased');
    const { account: younger } = await subject(world.sql, SMALL);
    const ahead = new Date(Date.now() + off);
    // An hour old by the sender's clock, whatever that shows: the account is younger.
    const old = messageOf({ account: younger, requestedAt: new Date(ahead.getTime() - 3_600_000) });
    expect((await sendMessage(call, old, { at: ahead })).body.status).toBe('not_found');
  });

  it('that there is not is not found, and is not erased when it comes later', async () => {
    const message = messageOf({ account: '987654321' });
    const answer = await sendMessage(call, message);
    expect([answer.status, answer.body]).toEqual([200, { task: message.id, status: 'not_found' }]);
    await again('987654321', 'later@example.com');
    await world.sql`UPDATE accounts SET created_at = now() - interval '1 year' WHERE id = 987654321`;
    expect((await sendMessage(call, message)).body.status).toBe('not_found');
    expect((await rowsOf(world.sql, '987654321')).accounts).toBe(1);
  });

  it('that was erased before is erased', async () => {
    const { account } = await subject(world.sql, SMALL);
    await sendMessage(call, messageOf({ account }));
    const other = messageOf({ account });
    expect((await sendMessage(call, other)).body).toEqual({ task: other.id, status: 'erased' });
    await only(account);
  });
});

describe('a message about a large account', () => {
  it('is accepted and started, and its token is kept sealed', async () => {
    const { account } = await subject(world.sql, LARGE);
    const message = messageOf({ account });
    const answer = await sendMessage(call, message);
    expect([answer.status, answer.body]).toEqual([202, { task: message.id, status: 'accepted' }]);
    expect(await only(account)).toMatchObject({ state: 'running', requestedBy: `partner:${FIRST}` });
    const row = await kept(message.id);
    expect(row).toMatchObject({ has_token: true, ack_url: `${FIRST}/v1/tasks/${message.id}/ack`, attempts: 0 });
    expect(Buffer.from(row?.sealed).toString('latin1')).not.toContain('token-of');
    expect((await sendMessage(call, message)).status).toBe(202);
    expect((await kept(message.id))?.erasure_id).toBe((await only(account)).id);
  });

  it('that two processes get at once is one erasure', async () => {
    const second = await world.api();
    const { account } = await subject(world.sql, LARGE);
    const message = messageOf({ account });
    const answers = await Promise.all([call, second, call, second].map((to) => sendMessage(to, message)));
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    await only(account);
  });

  it('that is on hold here is accepted, and waits', async () => {
    const { account } = await subject(world.sql, LARGE);
    const id = await request(domain.ctx, account);
    await world.sql`UPDATE lethe.erasure SET held_at = now(), held_by = 'user:ann', hold_reason = 'case 7' WHERE id = ${id}`;
    expect((await sendMessage(call, messageOf({ account }))).status).toBe(202);
    expect((await only(account)).state).toBe('scheduled');
  });

  it('whose erasure waits for others is erased for whoever did not begin it: they may wait for each other', async () => {
    const { account } = await subject(world.sql, LARGE);
    const mine = messageOf({ account });
    await sendMessage(call, mine);
    await world.sql`UPDATE lethe.erasure SET state = 'awaiting' WHERE account_key = ${account}`;
    expect((await sendMessage(call, mine)).status).toBe(202);
    const theirs = messageOf({ account, source: 'https://third.example.com' });
    expect((await sendMessage(call, theirs)).body).toEqual({ task: theirs.id, status: 'erased' });
  });
});

describe('the acknowledgement', () => {
  /** Takes what it is told, and answers as it should. */
  const teller = (...answers: Told[]) => {
    const told: unknown[][] = [];
    const tell: Tell = async (...args) => {
      told.push(args);
      return answers.shift() ?? { kind: 'taken', words: 'taken' };
    };
    return { told, tell };
  };
  const started = async () => {
    const { account, before } = await subject(world.sql, LARGE);
    const message = messageOf({ account });
    expect((await sendMessage(call, message)).status).toBe(202);
    return { account, before, message, erasure: await only(account) };
  };
  const due = async () => {
    const ids: string[] = [];
    await takeDue(domain.ctx.db, DUE_ACKNOWLEDGEMENTS, async (id) => ids.push(id) > 0);
    return ids;
  };
  /** Only this message is due. */
  const alone = (id: string) => world.sql`DELETE FROM lethe.partner_request WHERE id <> ${id}`;

  it('is due when the erasure is complete, for one of two that look; then its token is destroyed', async () => {
    const { account, before, message, erasure } = await started();
    await alone(message.id);
    expect(await due()).toEqual([]);
    const { told, tell } = teller();
    expect(await acknowledgeMessage(domain.ctx, tell, message.id)).toBe('skipped');
    expect(await run(domain.ctx, erasure.id)).toMatchObject({ kind: 'completed' });
    await expectErased(world.sql, account, erasure.id, before);
    expect((await Promise.all([due(), due()])).flat()).toEqual([message.id]);
    expect(await acknowledgeMessage(domain.ctx, tell, message.id)).toBe('acknowledged');
    expect(await acknowledgeMessage(domain.ctx, tell, message.id)).toBe('skipped');
    const said = { task: message.id, status: 'erased' };
    expect(told).toEqual([[`${FIRST}/v1/tasks/${message.id}/ack`, `v1.token-of-${message.id}`, said]]);
    const after = await kept(message.id);
    expect(after).toMatchObject({ has_token: false, ack_url: null, next_at: null, last_words: 'taken' });
    expect(after?.acknowledged_at).not.toBeNull();
    expect((await sendMessage(call, message)).body.status).toBe('erased');
    expect(await due()).toEqual([]);
  });

  it('that is not taken is tried again by the schedule, also by another process', async () => {
    const { message, erasure } = await started();
    await run(domain.ctx, erasure.id);
    const { tell, told } = teller({ kind: 'later', words: 'it answered 502' }, { kind: 'later', words: 'it hung up' });
    expect(await acknowledgeMessage(domain.ctx, tell, message.id)).toBe('deferred');
    const first = await kept(message.id);
    expect(first).toMatchObject({ attempts: 1, last_words: 'it answered 502', has_token: true });
    expect(first?.wait).toBeLessThan(6);
    expect(await acknowledgeMessage(domain.ctx, tell, message.id)).toBe('deferred');
    expect((await kept(message.id))?.wait).toBeGreaterThan(200);
    const ended = await Promise.all([
      acknowledgeMessage(domain.ctx, tell, message.id),
      acknowledgeMessage(domain.ctx, tell, message.id),
    ]);
    expect(ended).toContain('acknowledged');
    expect(told.length).toBeLessThanOrEqual(4);
  });

  it('to somebody who knows the task no more is given up', async () => {
    const { message, erasure } = await started();
    await run(domain.ctx, erasure.id);
    expect(await acknowledgeMessage(domain.ctx, teller({ kind: 'unknown', words: 'gone' }).tell, message.id)).toBe(
      'unknown',
    );
    expect(await kept(message.id)).toMatchObject({ next_at: null, has_token: false, acknowledged_at: null });
  });

  it('of an erasure that was undone says that it failed; the message again begins another', async () => {
    const { account } = await subject(world.sql, LARGE);
    const id = await request(domain.ctx, account);
    await world.sql`UPDATE lethe.erasure SET held_at = now(), held_by = 'user:ann', hold_reason = 'case 7' WHERE id = ${id}`;
    const message = messageOf({ account });
    await sendMessage(call, message);
    await world.sql`UPDATE lethe.erasure SET held_at = NULL, held_by = NULL, hold_reason = NULL WHERE id = ${id}`;
    await cancelErasure(domain.ctx, (await findErasure(domain.ctx.db, id)) as Erasure, 'account');
    const { tell, told } = teller();
    expect(await acknowledgeMessage(domain.ctx, tell, message.id)).toBe('acknowledged');
    expect(told[0]?.[2]).toMatchObject({ status: 'failed' });
    expect((await sendMessage(call, message)).status).toBe(202);
    const both = await erasuresOf(world.sql, account);
    expect(both.map(({ state }) => state)).toEqual(['cancelled', 'running']);
    expect(await kept(message.id)).toMatchObject({ erasure_id: both[1]?.id, has_token: true, acknowledged_at: null });
  });

  it('that nobody took until the erasure was scrubbed is given up, with its token', async () => {
    const { message, erasure } = await started();
    await run(domain.ctx, erasure.id);
    await world.sql`UPDATE lethe.erasure SET completed_at = now() - interval '36 days' WHERE id = ${erasure.id}`;
    await scrubExpired(domain.ctx);
    expect(await kept(message.id)).toMatchObject({ has_token: false, ack_url: null, next_at: null });
    expect((await sendMessage(call, message)).body.status).toBe('erased');
  });

  it('that lost its job is found by reconcile', async () => {
    const { message, erasure } = await started();
    await alone(message.id);
    await run(domain.ctx, erasure.id);
    const ids: unknown[] = [];
    const put = async ({ ids: { messageId } }: { ids: Readonly<Record<string, unknown>> }) => ids.push(messageId) > 0;
    if ('find' in partnerAcknowledge.due)
      await partnerAcknowledge.due.find({ ctx: domain.ctx, put, isLive: async () => true });
    expect(ids).toEqual([message.id]);
  });
});

describe('who may send a message', () => {
  const MINUTE = 60_000;
  it.each<[string, Parameters<typeof sendMessage>[2], RegExp]>([
    ['another secret', { secret: `whsec_${Buffer.from('q'.repeat(32)).toString('base64')}` }, /not of a secret/],
    ['a signature that is six minutes old', { at: new Date(Date.now() - 6 * MINUTE) }, /seconds old: 300 are allowed/],
    ['a signature from the future', { at: new Date(Date.now() + 10 * MINUTE) }, /seconds ahead: 300 are allowed/],
    ['a body that was changed', { said: '{}' }, /not of a secret/],
  ])('%s is refused', async (_, how, words) => {
    const { account } = await subject(world.sql, SMALL);
    const before = await everything(world.sql);
    const answer = await sendMessage(call, messageOf({ account }), how);
    expectProblem(answer, 401, 'unauthenticated');
    expect(answer.body.detail).toMatch(words);
    expect(await everything(world.sql)).toBe(before);
  });

  it('one that signs is told in words where no secret is set', async () => {
    const closed = await world.api({ LETHE_PARTNER_SECRET: '' });
    const answer = await sendMessage(closed, messageOf({ account: '1' }));
    expectProblem(answer, 404, 'not_found');
    expect(answer.body.detail).toMatch(/LETHE_PARTNER_SECRET is not set/);
  });

  it('two secrets both open it, while one takes the place of the other', async () => {
    const other = `whsec_${Buffer.from('q'.repeat(32)).toString('base64')}`;
    const both = await world.api({ LETHE_PARTNER_SECRET: `${other} ${PARTNER_SECRET}` });
    for (const secret of [other, PARTNER_SECRET])
      expect((await sendMessage(both, messageOf({ account: '876543' }), { secret })).status).toBe(200);
  });

  it('a secret that cannot be one does not let the API start', async () => {
    await expect(world.api({ LETHE_PARTNER_SECRET: 'whsec_short' })).rejects.toThrow(/^LETHE_PARTNER_SECRET: /);
  });
});

describe('a message that is none', () => {
  const refused = async (message: object, field: string) => {
    const before = await everything(world.sql);
    const answer = await sendMessage(call, message as { id: string });
    expectProblem(answer, 422, 'invalid_request');
    expect(answer.body.field).toBe(field);
    expect(await everything(world.sql)).toBe(before);
    return String(answer.body.detail);
  };
  const made = (data: object, account: string | Record<string, string> = '1') => messageOf({ account, data });

  it.each<[string, () => object, string]>([
    ['another type', () => ({ ...messageOf({ account: '1' }), type: 'com.example.other' }), 'type'],
    ['an id that is no uuid', () => messageOf({ id: 'x', account: '1' }), 'id'],
    ['another id inside', () => made({ task: uuidv7() }), 'id'],
    ['no account', () => made({ account: undefined }), 'data.account'],
    ['single keys', () => made({ keys: ['a'] }), 'data.keys'],
    [
      'an address of its own network',
      () => made({ acknowledge: { url: 'https://127.0.0.1/x', token: 't' } }),
      'data.acknowledge.url',
    ],
    [
      'metadata of a cloud',
      () => made({ acknowledge: { url: 'http://169.254.169.254/x', token: 't' } }),
      'data.acknowledge.url',
    ],
    [
      'an address without TLS',
      () => made({ acknowledge: { url: 'http://first.example.com/x', token: 't' } }),
      'data.acknowledge.url',
    ],
    ['another scheme', () => made({ acknowledge: { url: 'file:///etc/passwd', token: 't' } }), 'data.acknowledge.url'],
    ['no date', () => made({ requestedAt: 'yesterday' }), 'data.requestedAt'],
  ])('%s is refused in words, and changes nothing', async (_, message, field) => {
    await refused(message(), field);
  });

  it('a key of another type or with other columns is refused by the names of the columns', async () => {
    expect(await refused(made({}, 'c0ffee'), 'data.account')).toMatch(/expected a whole number \(bigint\)/);
    expect(await refused(made({}, { tenant: '1', user: '2' }), 'data.account')).toBe(
      'data.account: expected id; the message has tenant, user',
    );
    expect(await refused(made({}, {}), 'data.account')).toBe('data.account: expected id; the message has nothing');
  });

  it('the only value is the key, whatever its column is called there; else that of the same name', async () => {
    for (const names of [{ user_id: '' }, { tenant: '4', id: '' }]) {
      const { account } = await subject(world.sql, SMALL);
      const named = Object.fromEntries(Object.entries(names).map(([name, value]) => [name, value || account]));
      expect((await sendMessage(call, made({}, named))).body.status).toBe('erased');
    }
  });

  it('too large is refused before it is read', async () => {
    expectProblem(await sendMessage(call, made({ values: { x: 'x'.repeat(20_000) } })), 413, 'payload_too_large');
  });
});

describe('the limit', () => {
  it('of an address, used up by others, stops no message; one message has its own', async () => {
    const limited = await world.api({ LETHE_RATE_LIMIT: '20', LETHE_PARTNER_SECRET: PARTNER_SECRET });
    const other = `whsec_${Buffer.from('q'.repeat(32)).toString('base64')}`;
    const forged = () => sendMessage(limited, messageOf({ account: '876544' }), { secret: other });
    const flood = await Promise.all(Array.from({ length: 40 }, forged));
    expect(flood.filter(({ status }) => status === 429).length).toBeGreaterThan(20);
    for (let i = 0; i < 21; i++) await limited('GET', '/v1/erasures', { auth: null });
    expect((await limited('GET', '/v1/erasures', { auth: null })).status).toBe(429);
    const message = messageOf({ account: '876545' });
    for (let i = 0; i < 20; i++) expect((await sendMessage(limited, message)).status).toBe(200);
    expectProblem(await sendMessage(limited, message), 429, 'rate_limited');
    expect((await sendMessage(limited, messageOf({ account: '876546' }))).status).toBe(200);
  });
});
