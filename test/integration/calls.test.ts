import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { pumpOnce } from '../../src/erasure/calls/pump.ts';
import { Senders } from '../../src/erasure/calls/senders.ts';
import { settleCalls } from '../../src/erasure/calls/settle.ts';
import { takeCalls } from '../../src/erasure/calls/take.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import { scrubExpired } from '../../src/erasure/upkeep/scrub.ts';
import type { Answer, Call } from '../../src/locations/asked.ts';
import { KINDS } from '../../src/locations/kinds/registry.ts';
import { pacingShape } from '../../src/locations/outside/declare.ts';
import { partnerKind } from '../../src/locations/outside/kind.ts';
import { request, run, step } from '../support/run-by-hand.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

/** What the partner got, and what it answers next; done when nothing is scripted. */
const heard: Call[] = [];
let script: ((call: Call) => Answer | Promise<Answer>)[] = [];
let always: ((call: Call) => Answer | Promise<Answer>) | undefined;
const done: Answer = { kind: 'done', words: 'erased' };

const asks = z.strictObject({ ...pacingShape, mailbox: z.string() });
const scripted = partnerKind<z.infer<typeof asks>>({
  name: 'http',
  entry: 'post',
  asks,
  refused: 'the post only delivers letters',
  byKeyAlone: ({ mailbox }) => mailbox === 'by key',
  outside: {
    variablesOf: () => [],
    open: () => ({
      batch: 1,
      send: async (_location, calls) =>
        Promise.all(
          calls.map(async (call) => {
            heard.push(call);
            return (await (script.shift() ?? always)?.(call)) ?? done;
          }),
        ),
      close: async () => {},
    }),
  },
});

const CATALOG = READER_CATALOG.concat(
  `  - { partner: search, owner: search, post: { mailbox: any } }
  - { partner: billing, owner: money, select: { mail: accounts.email }, after: search, post: { mailbox: any } }
`,
);
const kinds = { ...KINDS, http: scripted };
let world: World;
let ctx: Context;
const dispatched: string[] = [];
const senders = () =>
  new Senders(kinds, {
    log: ctx.log,
    variable: () => undefined,
    redis: { url: '', prefix: '' },
    privateHosts: [],
    publicUrl: 'http://lethe.test',
    tokenOf: (id) => id,
  });
const pump = (holder = 'one') =>
  pumpOnce({
    ctx,
    senders: senders(),
    holder,
    dispatch: async (d) => {
      dispatched.push(d.erasureId);
    },
  });
const account = async (): Promise<string> => {
  const [row] = await world.sql<{ id: string }[]>`
    INSERT INTO accounts (email) VALUES (${`calls-${Math.random()}@example.com`}) RETURNING id::text`;
  return row?.id as string;
};
/** Asked for, and the account gone: the first partner is to be asked. */
const gone = async (): Promise<string> => {
  const id = await request(ctx, await account());
  expect((await run(ctx, id)).kind).toBe('awaiting');
  return id;
};
const stateOf = async (id: string) => {
  const [row] = await world.sql`SELECT state, dispatched_at FROM lethe.erasure WHERE id = ${id}`;
  return row;
};
const tasks = (id: string) => world.sql`
  SELECT t.location, t.state, sum(k.rows_planned)::int AS planned, sum(k.rows_deleted)::int AS counted
    FROM lethe.task t LEFT JOIN lethe.chunk k ON k.task_id = t.id
   WHERE t.erasure_id = ${id} AND t.location IN ('search', 'billing') GROUP BY 1, 2 ORDER BY 1`;
const callsOf = (id: string, partner = 'search') =>
  world.sql`SELECT * FROM lethe.call WHERE erasure_id = ${id} AND partner = ${partner} ORDER BY id`;

beforeAll(async () => {
  world = await createWorld({ catalog: CATALOG });
  const { ctx: opened } = await world.domain({}, kinds);
  ctx = opened;
});
afterAll(() => world?.close());
afterEach(async () => {
  always = undefined;
  script = [];
  heard.length = 0;
  dispatched.length = 0;
  await world.sql`UPDATE lethe.call SET settled_at = now(), next_at = NULL, state = 'dropped' WHERE settled_at IS NULL`;
  await world.sql`UPDATE lethe.partner SET failures = 0, opened_at = NULL, probe_at = NULL, paused_until = NULL`;
});

describe('calls to partners', () => {
  it('are made stage after stage, and complete the erasure with the last answer', async () => {
    const id = await gone();
    await pump();
    expect(heard.map((c) => c.location)).toEqual(['search']);
    expect(dispatched).toEqual([id]);
    expect((await run(ctx, id)).kind).toBe('awaiting');
    await pump();
    expect(heard.map((c) => c.location)).toEqual(['search', 'billing']);
    expect(heard[1]?.values.mail).toMatch(/^calls-.*@example.com$/);
    expect((await run(ctx, id)).kind).toBe('completed');
    expect(await tasks(id)).toEqual([
      { location: 'billing', state: 'done', planned: 1, counted: 1 },
      { location: 'search', state: 'done', planned: 1, counted: 1 },
    ]);
    expect((await callsOf(id, 'billing')).map((c) => [c.sealed, c.state])).toEqual([[null, 'done']]);
  });

  it('keep what is selected sealed until it is done', async () => {
    const id = await gone();
    const [billing] = await callsOf(id, 'billing');
    expect(billing?.state).toBe('gathered');
    expect(Buffer.from(billing?.sealed).toString('latin1')).not.toContain('example.com');
  });

  it('have one id for all tries, and spend an attempt with each that fails', async () => {
    const id = await gone();
    script = [() => ({ kind: 'later', words: 'a page of HTML', down: true })];
    await pump();
    const [failed] = await callsOf(id);
    expect(failed).toMatchObject({ state: 'open', attempts: 1, last_words: 'a page of HTML', leased_until: null });
    await world.sql`UPDATE lethe.call SET next_at = now() WHERE id = ${failed?.id}`;
    await pump();
    expect(new Set(heard.map((c) => c.id)).size).toBe(1);
    expect(heard.map((c) => c.attempts)).toEqual([0, 1]);
    expect((await callsOf(id))[0]).toMatchObject({ state: 'done', attempts: 0 });
  });

  it('are counted once, however often they are answered', async () => {
    const id = await gone();
    const [call] = await callsOf(id);
    const again = () => settleCalls(ctx, [{ id: call?.id, answer: done }]);
    const answers = await Promise.all([again(), again(), again()]);
    expect(answers.map((a) => a.settled.size).sort()).toEqual([0, 0, 1]);
    expect(answers.flatMap((a) => a.dispatches)).toHaveLength(1);
    expect(await tasks(id)).toContainEqual({ location: 'search', state: 'done', planned: 1, counted: 1 });
  });

  it('are asked again, with the same id, when they were accepted and nobody acknowledges', async () => {
    const id = await gone();
    script = [() => ({ kind: 'accepted', words: 'will do' })];
    await pump();
    const [accepted] = await callsOf(id);
    expect(accepted).toMatchObject({ state: 'accepted', last_words: 'will do' });
    expect(+accepted?.next_at - Date.now()).toBeGreaterThan(23 * 3_600_000);
    await world.sql`UPDATE lethe.call SET next_at = now() WHERE id = ${accepted?.id}`;
    await pump();
    expect(heard.map((c) => c.id)).toEqual([accepted?.id, accepted?.id]);
  });

  it('go on from the cursor of what was done, and count it', async () => {
    const id = await gone();
    script = [
      () => ({ kind: 'more', words: 'some', rows: 7, cursor: ['a', 'b'] }),
      () => ({ kind: 'done', words: 'the rest', rows: 3 }),
    ];
    await pump();
    expect(heard.map((c) => c.cursor)).toEqual([null, ['a', 'b']]);
    expect(await tasks(id)).toContainEqual({ location: 'search', state: 'done', planned: 10, counted: 10 });
  });

  it('are not made while the erasure is held, and go on with its release', async () => {
    const id = await gone();
    await holdErasure(ctx, id, 'key:ops', 'a court asks');
    await pump();
    expect(heard).toEqual([]);
    await releaseErasure(ctx, id, 'key:ops');
    await pump();
    expect(heard).toHaveLength(1);
  });

  it('are left to the process that has the partner', async () => {
    await gone();
    expect(await takeCalls(ctx, 'search', { holder: 'other', most: 1, leaseMs: 60_000 })).toMatchObject({
      calls: [{ attempts: 0 }],
    });
    await pump();
    expect(heard).toEqual([]);
    await world.sql`UPDATE lethe.partner SET held_until = now() WHERE name = 'search'`;
    await world.sql`UPDATE lethe.call SET next_at = now(), leased_until = now() WHERE leased_until IS NOT NULL`;
    script = [
      async (call) => {
        const [row] = await world.sql`SELECT last_words FROM lethe.call WHERE id = ${call.id}`;
        expect(row?.last_words).toContain('ended without an answer');
        return done;
      },
    ];
    await pump();
    expect(heard).toHaveLength(1);
  });

  it('open the circuit when they fail in a row: then one probes, and no attempt is spent by waiting', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, gone));
    always = () => ({ kind: 'later', words: 'refused', down: true });
    await pump();
    const first = heard.length;
    const [open] =
      await world.sql`SELECT opened_at, probe_at, failures, words FROM lethe.partner WHERE name = 'search'`;
    expect(open?.opened_at).not.toBeNull();
    expect(first).toBeGreaterThanOrEqual(5);
    await world.sql`UPDATE lethe.partner SET probe_at = now()`;
    await world.sql`UPDATE lethe.call SET next_at = now() WHERE settled_at IS NULL AND state = 'open'`;
    const spent = async () => {
      const [row] = await world.sql`SELECT sum(attempts)::int AS n FROM lethe.call WHERE settled_at IS NULL`;
      return row?.n;
    };
    const before = await spent();
    await pump();
    expect(heard.length - first).toBe(1);
    expect(await spent()).toBe(before);
    always = undefined;
    await world.sql`UPDATE lethe.partner SET probe_at = now()`;
    await pump();
    const settled = await Promise.all(ids.map(async (id) => (await callsOf(id))[0]?.state));
    expect(new Set(settled)).toEqual(new Set(['done']));
    const [closed] = await world.sql`SELECT opened_at, failures FROM lethe.partner WHERE name = 'search'`;
    expect(closed).toEqual({ opened_at: null, failures: 0 });
  });

  it('pause for as long as the partner asks for', async () => {
    await gone();
    script = [() => ({ kind: 'later', words: 'too many', down: false, afterMs: 60_000 })];
    await pump();
    const other = await gone();
    await pump();
    expect(heard).toHaveLength(1);
    expect((await callsOf(other))[0]?.attempts).toBe(0);
  });
});

describe('the scrub', () => {
  it('destroys what was sealed and said, and drops what could not be asked', async () => {
    const id = await gone();
    await pump();
    await world.sql`UPDATE lethe.erasure SET state = 'cancelled', cancelled_at = now() - interval '1 year' WHERE id = ${id}`;
    await scrubExpired(ctx);
    const calls =
      await world.sql`SELECT partner, state, sealed, last_words, next_at FROM lethe.call WHERE erasure_id = ${id} ORDER BY 1`;
    const empty = { sealed: null, last_words: null, next_at: null };
    expect(calls).toEqual([
      { partner: 'billing', state: 'dropped', ...empty },
      { partner: 'search', state: 'done', ...empty },
    ]);
  });
});

describe('partners that others wait for', () => {
  const early = READER_CATALOG.concat(
    '  - { partner: vault, owner: keys, before: posts, select: { mail: accounts.email }, post: { mailbox: any } }\n',
  );
  let other: World;
  let place: Context;
  beforeAll(async () => {
    other = await createWorld({ catalog: early });
    place = (await other.domain({}, kinds)).ctx;
  });
  afterAll(() => other?.close());
  const pumpThere = () => pumpOnce({ ctx: place, senders: senders(), holder: 'one', dispatch: async () => {} });

  it('are asked before anything is deleted, and nothing is until they have answered', async () => {
    const [row] = await other.sql<
      { id: string }[]
    >`INSERT INTO accounts (email) VALUES ('early@example.com') RETURNING id::text`;
    const id = await request(place, row?.id as string);
    const first = await step(place, id);
    expect(first.kind === 'dispatch' && first.dispatch.delayMs).toBe(600_000);
    expect(await other.sql`SELECT FROM accounts WHERE id = ${row?.id as string}`).toHaveLength(1);
    script = [() => ({ kind: 'later', words: 'away', down: true })];
    await pumpThere();
    expect((await step(place, id)).kind).toBe('dispatch');
    expect(await other.sql`SELECT FROM accounts WHERE id = ${row?.id as string}`).toHaveLength(1);
    await other.sql`UPDATE lethe.call SET next_at = now() WHERE settled_at IS NULL`;
    await pumpThere();
    expect(heard.map((c) => c.values)).toEqual([{ mail: 'early@example.com' }, { mail: 'early@example.com' }]);
    const [woken] = await other.sql`SELECT dispatched_at <= now() AS now, state FROM lethe.erasure WHERE id = ${id}`;
    expect(woken).toEqual({ now: true, state: 'running' });
    expect((await run(place, id)).kind).toBe('completed');
    expect(await other.sql`SELECT FROM accounts WHERE id = ${row?.id as string}`).toHaveLength(0);
  });
});

describe('somebody new who has the key', () => {
  let other: World;
  let place: Context;
  beforeAll(async () => {
    other = await createWorld({
      catalog: READER_CATALOG.concat(
        '  - { partner: shelf, owner: files, post: { mailbox: by key } }\n  - { partner: search, owner: search, post: { mailbox: any } }\n',
      ),
    });
    place = (await other.domain({}, kinds)).ctx;
  });
  afterAll(() => other?.close());

  it('keeps what is found by the key alone, and the others are asked on', async () => {
    const [row] = await other.sql<
      { id: string }[]
    >`INSERT INTO accounts (email) VALUES ('old@example.com') RETURNING id::text`;
    const key = row?.id as string;
    const id = await request(place, key);
    expect((await run(place, id)).kind).toBe('awaiting');
    await other.sql`INSERT INTO accounts (id, email) OVERRIDING SYSTEM VALUE VALUES (${key}, 'new@example.com')`;
    await pumpOnce({ ctx: place, senders: senders(), holder: 'one', dispatch: async () => {} });
    expect(heard.map((c) => c.location)).toEqual(['search']);
    expect((await run(place, id)).kind).toBe('completed');
    const [shelf] = await other.sql`SELECT state, last_words FROM lethe.call WHERE partner = 'shelf'`;
    expect(shelf).toEqual({ state: 'dropped', last_words: expect.stringContaining('somebody new') });
    const [event] = await other.sql`SELECT data FROM lethe.event WHERE erasure_id = ${id} AND type = 'task.dropped'`;
    expect(event?.data).toEqual({ location: 'shelf' });
    expect(await other.sql`SELECT FROM accounts WHERE id = ${key}`).toHaveLength(1);
  });
});

describe('a step that looks too late', () => {
  it('finds the answers that came while it worked', async () => {
    const id = await gone();
    expect(await stateOf(id)).toMatchObject({ state: 'awaiting', dispatched_at: null });
    await pump();
    expect((await stateOf(id))?.dispatched_at).not.toBeNull();
  });
});
