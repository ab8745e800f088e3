import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Running } from '../../dev/process.ts';
import { addressOf, findNotification, type Kind, makeDue, notificationIn } from '../support/notifications.ts';
import { type ResendServer, startResend } from '../support/resend-server.ts';
import { LARGE, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

let server: ResendServer;
let world: World;
let redis: Redis;
let api: Running;
let worker: Running;
let base: string;

beforeAll(async () => {
  server = await startResend();
  world = await createWorld({ env: { ...server.env, LOG_LEVEL: 'trace' } });
  redis = new Redis(String(world.env.REDIS_URL));
  api = world.spawn(['api']);
  worker = world.spawn(['worker']);
  const port = await until('the API listens', () => /"port":(\d+)/.exec(api.output())?.[1]);
  base = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  redis.disconnect();
  await world.close();
  await server.close();
});

async function request(account: string): Promise<{ erasureId: string; token: string }> {
  const answer = await fetch(`${base}/v1/accounts/${account}/erasure`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${KEYS.write}` },
  });
  const body = (await answer.json()) as { id: string; statusUrl: string };
  return { erasureId: body.id, token: String(new URL(body.statusUrl).searchParams.get('token')) };
}

/** Everything that this world has in Redis, as text. */
async function dumpRedis(): Promise<string> {
  const parts: string[] = [];
  for (const key of await redis.keys(`${world.env.LETHE_REDIS_PREFIX}*`)) {
    const read: Record<string, () => Promise<unknown>> = {
      string: () => redis.get(key),
      hash: () => redis.hgetall(key),
      list: () => redis.lrange(key, 0, -1),
      set: () => redis.smembers(key),
      zset: () => redis.zrange(key, '0', '-1'),
      stream: () => redis.xrange(key, '-', '+'),
    };
    const type = await redis.type(key);
    if (type === 'none') continue;
    if (!read[type]) throw new Error(`cannot read a ${type}`);
    parts.push(`${key} ${JSON.stringify(await read[type]())}`);
  }
  return parts.join('\n');
}

/** The tables of schema lethe in which a text stands in any column. */
async function tablesWith(text: string): Promise<string[]> {
  const tables = await world.sql<{ name: string }[]>`
    SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'lethe' ORDER BY 1`;
  expect(tables.map((t) => t.name)).toContain('event');
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await world.sql`SELECT 1 FROM ${world.sql(`lethe.${name}`)} t WHERE strpos(t::text, ${text}) > 0`;
    if (rows.length > 0) found.push(name);
  }
  return found;
}

/** The recipient is nowhere but in the erasure's own column; what must be there shows that the places were looked at. */
async function expectUnseen(email: string, erasureId: string, secrets: string[]): Promise<void> {
  // A process says what it did after it has committed it.
  await until('both have told it', () => [api, worker].every((process) => process.output().includes(erasureId)));
  const dump = await dumpRedis();
  const places = { redis: dump, 'api log': api.output(), 'worker log': worker.output() };
  for (const [place, text] of Object.entries(places)) {
    expect(text, place).toContain(place === 'redis' ? 'notificationId' : erasureId);
    for (const secret of [email, email.split('@')[0] as string, server.apiKey, ...secrets]) {
      expect(text.includes(secret), `${secret} in ${place}`).toBe(false);
    }
  }
}

it.each([
  ['completed', 'invalid_recipient', SMALL],
  ['completed', 'testing_only', SMALL],
  ['completed', 'daily_quota_exceeded', SMALL],
  ['completed', 'application_error', SMALL],
  ['received', 'internal_server_error', LARGE],
] as const)(
  'the address of a mail "%s" that meets %s stays out of events, jobs and logs',
  async (kind: Kind, failure, posts) => {
    const { account, email } = await subject(world.sql, posts);
    server.fail(failure);
    const { erasureId, token } = await request(account);
    expect(token).toMatch(/^v1\./);
    const tried = await until('the failure is recorded', async () => {
      const row = await findNotification(world.sql, erasureId, kind);
      return row?.outcome === failure && row;
    });
    await until('the failure is in the log', () => worker.output().includes(tried.id));
    expect(await tablesWith(email)).toEqual(tried.state === 'failed' ? [] : ['erasure']);
    await expectUnseen(email, erasureId, [token]);
    if (tried.state === 'failed') return;

    await makeDue(world.sql, tried.id);
    await notificationIn(world.sql, erasureId, kind, 'sent');
    expect(server.deliveredTo(email)).toHaveLength(1);
    expect(await tablesWith(email)).toEqual(kind === 'completed' ? [] : ['erasure']);
    await expectUnseen(email, erasureId, [token]);
  },
);

it('the address that the database quotes in an error, or a trigger gives as the name of a table, stays out of jobs and logs', async () => {
  const { account, email } = await subject(world.sql, SMALL);
  await world.sql.unsafe(`CREATE SEQUENCE refusals;
    CREATE FUNCTION quote_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF nextval('refusals') = 1 THEN RAISE EXCEPTION 'refused: %', OLD.email USING DETAIL = OLD.email,
        SCHEMA = 'public', TABLE = OLD.email, CONSTRAINT = OLD.email, COLUMN = OLD.email, DATATYPE = OLD.email; END IF;
      RETURN NEW; END $$;
    CREATE TRIGGER quote_once BEFORE UPDATE ON lethe.erasure
      FOR EACH ROW WHEN (OLD.email IS NOT NULL AND NEW.email IS NULL) EXECUTE FUNCTION quote_once()`);
  const { erasureId } = await request(account);
  await notificationIn(world.sql, erasureId, 'completed', 'sent');
  const [refusals] = await world.sql`SELECT last_value::int AS n FROM refusals`;
  expect(refusals?.n).toBe(2);
  expect(worker.output()).toContain('SQLSTATE P0001');
  expect(await addressOf(world.sql, erasureId)).toBeNull();
  expect(await tablesWith(email)).toEqual([]);
  await expectUnseen(email, erasureId, []);
});
