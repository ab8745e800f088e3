import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { start, stop } from '../../dev/process.ts';
import type { OwnerMessage } from '../../src/erasure/watch/message.ts';
import { readOwners } from '../../src/erasure/watch/read-owners.ts';
import { UsageError } from '../../src/errors.ts';
import { startExporting } from '../../src/jobs/export-gauges.ts';
import type { Logger } from '../../src/logger.ts';
import { createMetrics } from '../../src/metrics.ts';
import { until } from '../support/until.ts';
import { QUICK, watchOwners } from '../support/watch-owners.ts';
import { createWorld, type World } from '../support/world.ts';

const SIGNING = `whsec_${Buffer.from('a-team-that-wants-to-be-told').toString('base64')}`;

type Endpoint = Awaited<ReturnType<typeof startEndpoint>>;

/** A team's endpoint, which believes signed messages only. `onMessage` is called before it answers. */
async function startEndpoint(port = 0) {
  const messages: OwnerMessage[] = [];
  const endpoint = { messages, status: 204, onMessage: async (_: OwnerMessage) => {}, url: '', close: async () => {} };
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const headers = request.headers as Record<string, string>;
    const message = new Webhook(SIGNING).verify(body, headers) as OwnerMessage;
    expect(headers['webhook-id']).toBe(message.id);
    messages.push(message);
    await endpoint.onMessage(message);
    response.writeHead(endpoint.status).end();
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`;
  endpoint.close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return endpoint;
}

const catalog = (url: string) => `
account: { table: accounts, key: id, email: email, flag: erasure_requested_at }
locations:
  - { table: sessions, account: account_id, owner: 'team "{{x}}" 🦊' }
  - { table: posts, account: account_id, owner: reader }
  - { table: feeds, account: account_id, owner: mailed }
owners:
  - { owner: reader, notify: { url: "${url}", secret: "env:READER_ALERTS" } }
  - { owner: mailed, notify: { mail: team@example.com } }
canary:
  owner: privacy
  every: 1m
  wait: 1s
  within: 10s
  key: env:CANARY_API_KEY
  plant: ["INSERT INTO accounts (email) VALUES ($marker) RETURNING id"]
dataset: { owner: warehouse, sla: 1h, folder: /tmp/lethe-nothing }
`;

let endpoint: Endpoint;
let world: World;
const watching: { stop: () => Promise<void> }[] = [];
const watch = async (log?: Logger) => {
  const started = await watchOwners(world.env, log);
  watching.push(started);
  return started;
};

beforeAll(async () => {
  endpoint = await startEndpoint();
  world = await createWorld({
    catalog: catalog(endpoint.url),
    env: { READER_ALERTS: SIGNING, CANARY_API_KEY: 'key', LETHE_PRIVATE_HOSTS: '127.0.0.1' },
  });
});
afterEach(async () => {
  await Promise.all(watching.splice(0).map((w) => w.stop()));
  await world.sql`TRUNCATE lethe.erasure, lethe.owner, lethe.duty, lethe.partner, lethe.canary, lethe.dataset_partition CASCADE`;
  endpoint.messages.length = 0;
  endpoint.status = 204;
  endpoint.onMessage = async () => {};
});
afterAll(async () => {
  await world.close();
  await endpoint.close();
});

type Planted = {
  state?: string;
  owner?: string;
  location?: string;
  task?: string;
  due?: string;
  canary?: boolean;
  held?: boolean;
};

/** An erasure with one task, by hand: of a location that nobody works on. Returns the task's id. */
async function plant(of: Planted = {}): Promise<number> {
  const { state = 'running', owner = 'reader', location = 'posts', task = 'pending', due = '1 hour' } = of;
  const [row] = await world.sql`
    WITH e AS (
      INSERT INTO lethe.erasure (id, account_key, state, mode, requested_at, starts_at, started_at, due_at, catalog_digest,
                                 canary, held_at, completed_at)
      SELECT gen_random_uuid(), gen_random_uuid(), ${state}, 'immediate', now() - interval '1 hour',
             now() - interval '1 hour', now() - interval '1 hour', now() + interval '1 day', 'd', ${of.canary ?? false},
             CASE WHEN ${of.held ?? false} THEN now() END, CASE WHEN ${state} = 'completed' THEN now() END
      RETURNING id)
    INSERT INTO lethe.task (erasure_id, location, kind, action, owner, stage, state, due_at, finished_at)
    SELECT id, ${location}, 'table', 'delete', ${owner}, 0, ${task}, now() + ${due}::interval,
           CASE WHEN ${task} = 'done' THEN now() END FROM e RETURNING id`;
  return Number(row?.id);
}
const finish = (id: number) => world.sql`UPDATE lethe.task SET state = 'done', finished_at = now() WHERE id = ${id}`;
const call = (id: number, attempts: number) => world.sql`
  INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, attempts, next_at)
  SELECT gen_random_uuid(), erasure_id, id, location, 1, 'open', 1, ${attempts}, now() FROM lethe.task WHERE id = ${id}`;

const ownerRow = async (name = 'reader') => {
  const [row] = await world.sql`SELECT * FROM lethe.owner WHERE name = ${name}`;
  return row;
};
/** Resolves when the owners were looked at after now. */
const looked = async (name = 'reader') => {
  const [{ now } = { now: 0 }] = await world.sql`SELECT now() AS now`;
  await until(`${name} was looked at`, async () => (await ownerRow(name))?.watched_at > now);
};
const told = (state: string) =>
  until(`the team was told ${state}`, async () => (await ownerRow())?.told_state === state);

describe('a team that has a webhook', () => {
  it('gets one signed message when it is late and one when it is well, of two workers and over a restart', async () => {
    const task = await plant({ due: '-1 minute' });
    await Promise.all([watch(), watch()]);
    await told('late');
    await Promise.all(watching.splice(0).map((w) => w.stop()));
    await watch();
    await looked();
    expect(endpoint.messages.map((m) => m.type)).toEqual(['lethe.owner.late']);
    expect(endpoint.messages[0]?.data).toMatchObject({
      owner: 'reader',
      state: 'late',
      open: 1,
      late: 1,
      failing: 0,
      locations: ['posts'],
      url: 'http://lethe.test/admin/owners',
    });
    await finish(task);
    await told('well');
    await looked();
    expect(endpoint.messages.map((m) => m.type)).toEqual(['lethe.owner.late', 'lethe.owner.recovered']);
    expect(await ownerRow()).toMatchObject({ message_id: null, message: null, attempts: 0 });
  });

  it('gets the same message again from the next worker when one was killed before it wrote down the answer', async () => {
    await plant({ state: 'stalled', task: 'failed' });
    const env = { ...world.env, PATH: process.env.PATH };
    const child = start(process.execPath, ['--import', 'tsx', 'test/support/watch-owners-until-killed.ts'], { env });
    endpoint.onMessage = async () => {
      await stop(child, 'SIGKILL');
      // What was taken is not answered any more.
      return new Promise(() => {});
    };
    await until('the message has come', () => endpoint.messages.length === 1);
    await until('the claim is written down', async () => (await ownerRow())?.tried_state === 'failing');
    endpoint.onMessage = async () => {};
    // The claim of the dead process, and its duty.
    await world.sql`UPDATE lethe.owner SET next_at = now() WHERE message_id IS NOT NULL`;
    await world.sql`TRUNCATE lethe.duty`;
    await watch();
    await told('failing');
    expect(endpoint.messages.map((m) => m.id)).toEqual([endpoint.messages[0]?.id, endpoint.messages[0]?.id]);
    expect(endpoint.messages[1]).toEqual(endpoint.messages[0]);
  });

  it('gets the end as well of what a try may have told whose answer was lost', async () => {
    const task = await plant({ due: '-1 minute' });
    endpoint.status = 504;
    await watch();
    await until(
      'the answer was lost',
      async () => (await ownerRow())?.tried_state === 'late' && (await ownerRow())?.last_words === 'answered 504',
    );
    await finish(task);
    await until('the owner is well', async () => (await ownerRow())?.state === 'well');
    endpoint.status = 204;
    await until('the end is told', () => endpoint.messages.at(-1)?.type === 'lethe.owner.recovered');
    await until('nothing is owed', async () => (await ownerRow())?.message_id === null);
  });

  it('gets nothing of what is over before it could be told, and later what is bad then, once it can be reached', async () => {
    const { port } = new URL(endpoint.url);
    await endpoint.close();
    const task = await plant({ due: '-1 minute' });
    await watch();
    await until('it was tried again', async () => Number((await ownerRow())?.attempts) >= 2);
    expect((await ownerRow())?.last_words).toBe('the connection was refused');
    await finish(task);
    await until(
      'it is over',
      async () => (await ownerRow())?.state === 'well' && (await ownerRow())?.message_id === null,
    );
    await plant({ state: 'stalled', task: 'failed' });
    await until('it was tried again', async () => Number((await ownerRow())?.attempts) >= 2);
    endpoint = await startEndpoint(Number(port));
    await told('failing');
    expect(endpoint.messages.map((m) => m.type)).toEqual(['lethe.owner.failing']);
  });
});

describe('a team that has an address', () => {
  it('gets one mail when it is late and one when it is well, each under the id of its message', async () => {
    const mails = () => readdirSync(world.outbox).filter((file) => file.endsWith('.json'));
    const task = await plant({ owner: 'mailed', location: 'feeds', due: '-1 minute' });
    await watch();
    await until('the team was mailed', async () => (await ownerRow('mailed'))?.told_state === 'late');
    const [file] = mails();
    expect(mails()).toEqual([expect.stringMatching(/^lethe-[0-9a-f-]{36}\.json$/)]);
    const mail = JSON.parse(readFileSync(join(world.outbox, file as string), 'utf8'));
    expect(mail).toMatchObject({ to: 'team@example.com', subject: 'Erasures: mailed is late' });
    expect(mail.text).toContain(`Reference: ${file?.slice('lethe-'.length, -'.json'.length)}`);
    await finish(task);
    await until('the end was mailed', async () => (await ownerRow('mailed'))?.told_state === 'well');
    expect(mails()).toHaveLength(2);
  });
});

describe('what is measured of an owner', () => {
  it('is its open tasks of erasures that have begun: late, failing, the oldest, and what of a deadline is used', async () => {
    await plant({ due: '1 hour' });
    await plant({ due: '-30 minutes' });
    await plant({ state: 'stalled', task: 'failed', due: '3 hours' });
    const asked = await plant({ state: 'awaiting', task: 'awaiting', location: 'tried' });
    await call(asked, 3);
    await call(await plant({ state: 'awaiting', task: 'awaiting', location: 'tries' }), 2);
    await plant({ state: 'awaiting', task: 'awaiting', location: 'away' });
    await plant({ state: 'awaiting', task: 'pending', location: 'away' });
    await world.sql`INSERT INTO lethe.partner (name, opened_at) VALUES ('away', now()), ('tried', NULL), ('tries', NULL)`;
    // Not the owner's to do.
    await plant({ canary: true, due: '-1 minute' });
    await plant({ held: true, due: '-1 minute' });
    await plant({ state: 'scheduled', due: '-1 minute' });
    await plant({ task: 'done', due: '-1 minute' });
    for (let n = 0; n < 3; n++) await plant({ state: 'completed', task: 'done' });
    await plant({ state: 'completed', task: 'done', due: '-1 minute' });
    await plant({ state: 'completed', task: 'done', due: '-1 minute', canary: true });
    await watch();
    await looked();
    const { ctx, producers } = await world.domain();
    const seen = new Map((await readOwners(ctx.db)).map((o) => [o.name, o]));
    expect([...seen.keys()].sort()).toEqual(
      ['lethe', 'mailed', 'privacy', 'reader', 'team "{{x}}" 🦊', 'warehouse'].sort(),
    );
    const reader = seen.get('reader');
    expect(reader).toMatchObject({
      open: 7,
      late: 1,
      failing: 3,
      locations: ['away', 'posts', 'tried'],
      state: 'late',
    });
    expect(reader?.used).toBeCloseTo(2, 1);
    expect(reader?.done).toMatchObject({ inTime: 3, late: 1 });
    expect(reader?.done?.p50).toBeCloseTo(3600, -2);
    expect(seen.get('mailed')).toMatchObject({ open: 0, late: 0, failing: 0, state: 'well', done: null });

    const metrics = createMetrics({ defaults: false });
    const exporting = startExporting({ ctx, producers, metrics }, { leaseMs: 15_000, tickMs: 50 });
    try {
      await until('the gauges are exported', async () => (await metrics.text()).includes('lethe_owner_tasks{'));
      const page = await metrics.text();
      expect(page).toContain('lethe_owner_tasks{owner="reader"} 7');
      expect(page).toContain('lethe_owner_tasks_late{owner="reader"} 1');
      expect(page).toContain('lethe_owner_tasks_failing{owner="reader"} 3');
      expect(page).toContain('lethe_owner_tasks{owner="team \\"{{x}}\\" 🦊"} 0');
      expect(page).toContain('lethe_owner_tasks_done{owner="reader",in_time="true"} 3');
      expect(page).toContain('lethe_owner_tasks_done{owner="reader",in_time="false"} 1');
      expect(page).toMatch(/lethe_owner_done_seconds\{owner="reader",quantile="0.95"\} 36\d\d/);
      expect(page).toMatch(/lethe_owner_oldest_task_age_seconds\{owner="reader"\} 36\d\d/);
      // Test data is in no number about users.
      expect(page).toContain('lethe_erasures{state="running"} 4');
      expect(page).toContain('lethe_tasks_overdue 3');
    } finally {
      await exporting.stop();
    }
  });

  it('finds the task of a call that is late behind more erasures than are looked at', async () => {
    const { ctx } = await world.domain();
    const { measureOpen } = await import('../../src/erasure/watch/measure-owners.ts');
    for (let n = 0; n < 3; n++) await plant({ state: 'awaiting', task: 'awaiting', location: 'slow' });
    const late = await plant({
      state: 'awaiting',
      task: 'awaiting',
      owner: 'quick',
      location: 'quick',
      due: '-1 minute',
    });
    await world.sql`UPDATE lethe.erasure SET starts_at = now() WHERE id = (SELECT erasure_id FROM lethe.task WHERE id = ${late})`;
    await world.sql`INSERT INTO lethe.partner (name) VALUES ('slow'), ('quick')`;
    await call(late, 1);
    const found = await measureOpen(ctx.db, 2);
    expect(found.get('reader')).toMatchObject({ open: 2 });
    expect(found.get('quick')).toMatchObject({ open: 1, late: 1 });
    expect((await measureOpen(ctx.db)).get('reader')).toMatchObject({ open: 3 });
  });

  it('is what is open, and what was done as it was known, while that takes too long to measure', async () => {
    await plant({ state: 'completed', task: 'done' });
    const task = await plant();
    await watch();
    await until('what was done is known', async () => (await ownerRow())?.measured.done?.inTime === 1);
    // As a statement ends whose time is over.
    await world.sql.begin((tx) =>
      tx.unsafe(`
      ALTER TABLE lethe.task RENAME TO task_kept;
      CREATE FUNCTION lethe.takes_too_long() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE query_canceled; END';
      CREATE VIEW lethe.task AS SELECT * FROM lethe.task_kept WHERE state <> 'done' OR lethe.takes_too_long()`),
    );
    try {
      await world.sql`UPDATE lethe.task SET due_at = now() - interval '1 minute' WHERE id = ${task}`;
      await told('late');
      expect((await ownerRow())?.measured).toMatchObject({ open: 1, late: 1, done: { inTime: 1, late: 0 } });
      // By the next worker as well, which has never measured it.
      await Promise.all(watching.splice(0).map((w) => w.stop()));
      await watch();
      await looked();
      expect((await ownerRow())?.measured).toMatchObject({ open: 1, late: 1, done: { inTime: 1, late: 0 } });
    } finally {
      await world.sql.begin((tx) =>
        tx.unsafe(`
        DROP VIEW lethe.task;
        DROP FUNCTION lethe.takes_too_long();
        ALTER TABLE lethe.task_kept RENAME TO task`),
      );
    }
  });

  it('is what is wrong with test data and the dataset, for those who answer for them', async () => {
    await world.sql`INSERT INTO lethe.canary (id, state, finished_at) VALUES (gen_random_uuid(), 'failed', now())`;
    await plant({ state: 'completed', task: 'done' });
    await world.sql`INSERT INTO lethe.event (erasure_id, type, at)
      SELECT id, 'account.erased', now() - interval '4 days' FROM lethe.erasure`;
    // Of the days since then one is there, one has lost a file, and on yesterday nobody was erased.
    await world.sql`INSERT INTO lethe.dataset_partition (day, revision, rows, keys, whole, built_at)
      SELECT (now() AT TIME ZONE 'UTC')::date - n, 1, 0, true, n = 3, now() FROM unnest(ARRAY[3, 2]) AS n`;
    await watch();
    await looked('warehouse');
    const first = await world.sql`SELECT ((now() AT TIME ZONE 'UTC')::date - 4)::text AS day`;
    const warehouse = await ownerRow('warehouse');
    expect(warehouse).toMatchObject({ state: 'late' });
    // Yesterday's time is over an hour after its end.
    expect(warehouse?.measured.words[0]).toMatch(
      new RegExp(`^[23] days are missing in the dataset, the first of them ${first[0]?.day}$`),
    );
    expect(await ownerRow('privacy')).toMatchObject({
      state: 'failing',
      measured: { words: ['the last test data was not erased as it should be'] },
    });
    await world.sql`UPDATE lethe.canary SET state = 'passed', created_at = now() - interval '1 hour', finished_at = now() - interval '1 hour'`;
    await until(
      'test data is overdue',
      async () => (await ownerRow('privacy'))?.measured.words[0] === 'test data is overdue',
    );
  });
});

describe('a clock that was ahead', () => {
  it('hides neither an owner that is late, nor a message that is owed, nor test data that is overdue', async () => {
    const task = await plant({ due: '-1 minute' });
    await watch();
    await told('late');
    await Promise.all(watching.splice(0).map((w) => w.stop()));
    await finish(task);
    // As they were written a year ahead of now.
    await world.sql`UPDATE lethe.owner SET told_state = 'well', since = since + interval '1 year',
      watched_at = watched_at + interval '1 year'`;
    await world.sql`INSERT INTO lethe.canary (id, state, created_at, finished_at)
      VALUES (gen_random_uuid(), 'passed', now() - interval '1 hour', now() + interval '1 year'),
             (gen_random_uuid(), 'passed', now() + interval '1 year', now() + interval '1 year')`;
    await plant({ due: '-1 minute' });
    await watch();
    await told('late');
    await until(
      'test data is overdue',
      async () => (await ownerRow('privacy'))?.measured.words[0] === 'test data is overdue',
    );
    expect(endpoint.messages.map((m) => m.type)).toEqual(['lethe.owner.late', 'lethe.owner.late']);
  });

  it('puts off no message', async () => {
    endpoint.status = 500;
    await plant({ due: '-1 minute' });
    await watch();
    await until('it was tried', () => endpoint.messages.length > 0);
    await Promise.all(watching.splice(0).map((w) => w.stop()));
    endpoint.status = 204;
    await world.sql`UPDATE lethe.owner SET next_at = now() + interval '1 year' WHERE message_id IS NOT NULL`;
    await watch();
    await told('late');
  });
});

describe('a worker', () => {
  it('warns once where it can never write down how it stands', async () => {
    const lines: { level: number; msg: string; code: string }[] = [];
    const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    await world.sql`ALTER TABLE lethe.owner RENAME TO owner_away`;
    try {
      await watch(log);
      await until('it was tried again and again', () => lines.filter((l) => l.msg === 'owners not watched').length > 6);
    } finally {
      await world.sql`ALTER TABLE lethe.owner_away RENAME TO owner`;
    }
    const warned = lines.filter((l) => l.level === 40 && l.msg === 'owners not watched');
    expect(warned).toEqual([expect.objectContaining({ code: 'database_error', detail: 'SQLSTATE 42P01' })]);
  });

  it('does not start while a team cannot be told, and says why', async () => {
    const refused = await world.worker({ READER_ALERTS: '' }).catch((error: unknown) => error);
    expect((refused as UsageError).problems).toContain('READER_ALERTS: required to tell the owner reader');
    const closed = await world.worker({ LETHE_PRIVATE_HOSTS: '' }).catch((error: unknown) => error);
    expect(closed).toBeInstanceOf(UsageError);
    expect((closed as UsageError).problems).toContain(
      'owner reader: notify.url: its address is private, and not in LETHE_PRIVATE_HOSTS',
    );
  });

  it('watches the owners', async () => {
    expect(QUICK.tickMs).toBeLessThan(10_000);
    await plant({ owner: 'mailed', location: 'feeds' });
    const worker = await world.worker();
    await until('the worker has looked', async () => (await ownerRow('mailed'))?.measured.open === 1);
    await worker.stop();
  });
});
