import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOverview } from '../../src/erasure/progress/overview.ts';
import type { Resources } from '../../src/resources.ts';
import { checksum, expectErased } from '../support/evidence.ts';
import {
  addressOf,
  findNotification,
  type Kind,
  mailEvents,
  makeDue,
  notificationIn,
} from '../support/notifications.ts';
import { type ResendServer, startResend } from '../support/resend-server.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

let server: ResendServer;
let world: World;
let call: Call;
let queues: Resources['producers']['queues'];
/** Attempts that an operator must mend. */
let blocked: () => Promise<number>;

beforeAll(async () => {
  server = await startResend();
  world = await createWorld({ env: server.env });
  queues = (await world.domain()).producers.queues;
  call = await world.api();
  const { metricsPort } = await world.worker({ LETHE_METRICS_PORT: '0' });
  blocked = async () => {
    const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    return Number(/^lethe_mails_total\{outcome="blocked"\} (\d+)$/m.exec(text)?.[1]);
  };
});
afterAll(async () => {
  await world.close();
  await server.close();
});

/** An account and the request to erase it, answered with the erasure's id. */
async function request(posts = SMALL) {
  const { account, bystander, email, before, sum } = await subject(world.sql, posts);
  const answer = await call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
  const erasureId = String(answer.body.id);
  const expectDone = async () => {
    await expectErased(world.sql, account, erasureId, before);
    expect(await checksum(world.sql, bystander)).toBe(sum);
  };
  return { erasureId, email, expectDone };
}

/** The jobs that were made for a notification. */
async function jobsOf(notificationId: string) {
  const jobs = await queues.mail.getJobs(['waiting', 'active', 'delayed', 'completed', 'failed']);
  return Promise.all(
    jobs
      .filter((job) => job?.data.notificationId === notificationId)
      .map(async (job) => {
        const state = await job.getState();
        // Read again: the copy may be from before it ended.
        const now = await queues.mail.getJob(String(job.id));
        return { state, attempts: now?.attemptsMade, result: now?.returnvalue };
      }),
  );
}

const settled = (notificationId: string) =>
  until('its jobs have ended', async () => {
    const jobs = await jobsOf(notificationId);
    return jobs.length > 0 && jobs.every((job) => job.state === 'completed' || job.state === 'failed') && jobs;
  });

/** Adds a job as reconcile would, and waits until it has run. */
async function sendAgain(notificationId: string): Promise<void> {
  const before = (await jobsOf(notificationId)).length;
  await queues.mail.add('mail.send', { notificationId }, { jobId: `${notificationId}_again`, removeOnComplete: false });
  const jobs = await settled(notificationId);
  expect(jobs).toHaveLength(before + 1);
  expect(jobs).toContainEqual({ state: 'completed', attempts: 1, result: { outcome: 'skipped' } });
}

describe('an attempt whose outcome is unknown', () => {
  const failures = ['connection_reset', 'bad_gateway', 'internal_server_error', 'application_error'] as const;
  it.each(failures.flatMap((failure) => [true, false].map((afterDelivery) => [failure, afterDelivery] as const)))(
    '%s (delivered: %s) is tried again with the same body, and one mail arrives',
    async (failure, afterDelivery) => {
      server.fail(failure, { afterDelivery });
      const { erasureId, email, expectDone } = await request();
      const sent = await notificationIn(world.sql, erasureId, 'completed', 'sent');
      const [mail, ...more] = server.deliveredTo(email);
      expect(more).toEqual([]);
      const [first, second, ...others] = server.requestsFor(email);
      expect(others).toEqual([]);
      expect(second).toEqual(first);
      expect(sent).toMatchObject({ attempt: 2, provider_id: mail?.id, outcome: null, unknown_since: null });
      expect(await mailEvents(world.sql, erasureId)).toEqual([
        { type: 'mail.sent', data: { kind: 'completed', attempt: 2 } },
      ]);
      expect(await addressOf(world.sql, erasureId)).toBeNull();
      await expectDone();
    },
  );
});

describe('a rate limit', () => {
  it('is waited for, and the mail is delivered once', async () => {
    server.fail('rate_limit_exceeded', { times: 2 });
    const { erasureId, email, expectDone } = await request();
    const refused = await until('the first refusal is recorded', async () => {
      const row = await findNotification(world.sql, erasureId, 'completed');
      return row?.outcome === 'rate_limit_exceeded' && row;
    });
    expect(refused).toMatchObject({ state: 'pending', provider_id: null });
    expect(await addressOf(world.sql, erasureId)).toBe(email);
    expect(await notificationIn(world.sql, erasureId, 'completed', 'sent')).toMatchObject({
      attempt: 3,
      outcome: null,
    });
    expect(server.requestsFor(email)).toHaveLength(3);
    expect(server.deliveredTo(email)).toHaveLength(1);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    await expectDone();
  });
});

describe('a mail that will never be accepted', () => {
  it('fails at once, the address is forgotten, and nothing tries again', async () => {
    server.fail('invalid_recipient');
    const { erasureId, email, expectDone } = await request();
    const failed = await notificationIn(world.sql, erasureId, 'completed', 'failed');
    expect(failed).toMatchObject({ attempt: 1, provider_id: null, outcome: 'invalid_recipient' });
    expect(await mailEvents(world.sql, erasureId)).toEqual([
      { type: 'mail.failed', data: { kind: 'completed', attempt: 1, outcome: 'invalid_recipient' } },
    ]);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    expect(await settled(failed.id)).toEqual([{ state: 'completed', attempts: 1, result: { outcome: 'failed' } }]);
    await sendAgain(failed.id);
    expect(server.requestsFor(email)).toHaveLength(1);
    expect(server.deliveredTo(email)).toEqual([]);
    await expectDone();
  });

  it('of the kind "received" keeps the address for "completed"', async () => {
    server.fail('invalid_recipient');
    const { erasureId, email, expectDone } = await request(LARGE);
    await notificationIn(world.sql, erasureId, 'received', 'failed');
    expect(await addressOf(world.sql, erasureId)).toBe(email);
    await call('POST', `/v1/erasures/${erasureId}/start`);
    await notificationIn(world.sql, erasureId, 'completed', 'sent');
    expect(server.deliveredTo(email).map((mail) => mail.subject)).toEqual(['Your account has been deleted']);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    await expectDone();
  });
});

describe('what only time or an operator can mend', () => {
  it.each([
    ['daily_quota_exceeded', 'completed', SMALL, 'deferred'],
    ['daily_quota_exceeded', 'received', LARGE, 'deferred'],
    ['monthly_quota_exceeded', 'completed', SMALL, 'blocked'],
    ['missing_api_key', 'completed', SMALL, 'blocked'],
    ['restricted_api_key', 'completed', SMALL, 'blocked'],
    ['invalid_api_key', 'completed', SMALL, 'blocked'],
    ['domain_not_verified', 'completed', SMALL, 'blocked'],
    ['domain_not_verified', 'received', LARGE, 'blocked'],
    ['testing_only', 'completed', SMALL, 'blocked'],
    ['invalid_to_address', 'completed', SMALL, 'blocked', 'testing_only'],
    ['invalid_from', 'completed', SMALL, 'blocked', 'invalid_from_address'],
    ['other_field', 'completed', SMALL, 'blocked', 'validation_error'],
    ['missing_required_field', 'completed', SMALL, 'blocked'],
    ['security_error', 'completed', SMALL, 'blocked'],
    ['of_tomorrow', 'completed', SMALL, 'blocked'],
    ['not_found', 'completed', SMALL, 'blocked'],
  ] as const)(
    '(%s, "%s") waits an hour without using up attempts',
    async (failure, kind: Kind, posts, result, outcome?) => {
      server.fail(failure);
      const { erasureId, email } = await request(posts);
      const deferred = await until('it is deferred', async () => {
        const row = await findNotification(world.sql, erasureId, kind);
        return row?.outcome === (outcome ?? failure) && row;
      });
      expect(deferred).toMatchObject({ state: 'pending', attempt: 1, unknown_since: null });
      const minutes = (deferred.next_at.getTime() - Date.now()) / 60_000;
      expect(minutes).toBeGreaterThan(59);
      expect(minutes).toBeLessThanOrEqual(60.1);
      expect(await settled(deferred.id)).toEqual([{ state: 'completed', attempts: 1, result: { outcome: result } }]);
      expect(await addressOf(world.sql, erasureId)).toBe(email);
      expect(await mailEvents(world.sql, erasureId)).toEqual([]);

      await makeDue(world.sql, deferred.id);
      expect(await notificationIn(world.sql, erasureId, kind, 'sent')).toMatchObject({ attempt: 2 });
      expect(server.deliveredTo(email)).toHaveLength(1);
      expect(await addressOf(world.sql, erasureId)).toBe(kind === 'completed' ? null : email);
    },
  );
});

describe('a sender that may not send', () => {
  it('loses no mail: all wait, it is counted and shown, and what the documentation says sends them at once', async () => {
    server.fail('domain_not_verified', { times: 3 });
    const before = await blocked();
    const three = [await request(), await request(), await request()];
    for (const { erasureId, expectDone } of three) {
      await until('it waits', async () => {
        const row = await findNotification(world.sql, erasureId, 'completed');
        return row?.outcome === 'domain_not_verified';
      });
      await expectDone();
    }
    await until('they are counted', async () => (await blocked()) === before + 3);
    expect((await readOverview((await world.domain()).ctx.db)).mails).toEqual({
      count: 3,
      outcome: 'domain_not_verified',
    });
    const section = readFileSync('docs/operations.md', 'utf8').split('### Mail blocked')[1] as string;
    const [, statement] = /```sql\n([^`]+)```/.exec(section) as unknown as [string, string];
    await world.sql.unsafe(statement);
    for (const { erasureId, email } of three) {
      await notificationIn(world.sql, erasureId, 'completed', 'sent');
      expect(server.deliveredTo(email)).toHaveLength(1);
      expect(await addressOf(world.sql, erasureId)).toBeNull();
    }
  });
});

describe('a result that cannot be recorded', () => {
  it('is asked for again: the provider gives the same id, and no second mail', async () => {
    await world.sql.unsafe(`CREATE SEQUENCE commits;
      CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('commits') = 1 THEN RAISE EXCEPTION 'not now'; END IF; RETURN NEW; END $$;
      CREATE TRIGGER fail_once BEFORE UPDATE ON lethe.notification
        FOR EACH ROW WHEN (NEW.state = 'sent') EXECUTE FUNCTION fail_once()`);
    const { erasureId, email, expectDone } = await request();
    const sent = await notificationIn(world.sql, erasureId, 'completed', 'sent');
    await world.sql`DROP TRIGGER fail_once ON lethe.notification`;
    const [commits] = await world.sql`SELECT last_value::int AS n FROM commits`;
    expect(commits?.n).toBe(2);
    expect(server.requestsFor(email)).toHaveLength(2);
    const [mail, ...more] = server.deliveredTo(email);
    expect(more).toEqual([]);
    expect(sent).toMatchObject({ attempt: 2, provider_id: mail?.id, outcome: null });
    expect(await mailEvents(world.sql, erasureId)).toHaveLength(1);
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    await expectDone();
  });
});

it.each(['a@x.example,b@y.example', 'a@x.example\nBcc: b@y.example', 'Name <a@x.example>', 'a@x.example; b@y.example'])(
  'an account whose column holds %j gets no mail, and the provider is not asked',
  async (hostile) => {
    const { account } = await subject(world.sql, SMALL);
    // Another for each run: the column is unique.
    const email = hostile.replaceAll('x.example', `x-${account}.example`);
    await world.sql`UPDATE accounts SET email = ${email} WHERE id = ${account}`;
    const answer = await call('POST', `/v1/accounts/${account}/erasure`, { body: {} });
    const erasureId = String(answer.body.id);
    const failed = await notificationIn(world.sql, erasureId, 'completed', 'failed');
    expect(failed).toMatchObject({ outcome: 'not_an_address', attempt: 1 });
    expect(await addressOf(world.sql, erasureId)).toBeNull();
    expect(server.requestsFor(email)).toEqual([]);
    expect(await mailEvents(world.sql, erasureId)).toEqual([
      { type: 'mail.failed', data: { kind: 'completed', attempt: 1, outcome: 'not_an_address' } },
    ]);
  },
);
