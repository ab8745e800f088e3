import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayErasure } from '../../src/erasure/accept/replay.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { isAsked } from '../../src/locations/asked.ts';
import { type Behaviour, type BehaviourName, type PartnerServer, startPartner } from '../support/partner-server.ts';
import { byHand } from '../support/partners-by-hand.ts';
import { request } from '../support/run-by-hand.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const KEY = 'sk_test_very_secret';

/** Columns and rows that the requests are about. */
const SCHEMA = `
  ALTER TABLE accounts ADD COLUMN customer text;
  CREATE TABLE media (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                      account_id bigint NOT NULL REFERENCES accounts, file_key text NOT NULL);
  CREATE INDEX ON media (account_id, id);`;
const MEDIA = '  - { table: media, account: account_id, owner: media }\n';

const WHOLE = (url: string) =>
  `  - { partner: billing, owner: billing, select: { customer: accounts.customer }, request: { method: DELETE,
      url: "${url}/v1/customers/{customer}?source=lethe", headers: { Authorization: "Bearer {env:BILLING_KEY}", Idempotency-Key: "{id}" },
      done: { status: 200, where: { status: erased } }, skip: when customer is null, timeout: 1s } }\n`;
const EACH = (url: string) =>
  `  - { partner: billing, owner: billing, each: media.file_key, request: { method: DELETE, url: "${url}/files/{key}",
      headers: { Idempotency-Key: "{id}" }, done: [200, 204], timeout: 2s } }\n`;
const LISTS = (url: string) =>
  `  - { partner: billing, owner: billing, each: media.file_key, request: { method: POST, url: "${url}/purge",
      body: { files: "{keys}", by: "{requestedAt}" }, keysAtOnce: 4, done: 200, timeout: 2s } }\n`;

type Scene = {
  partner: PartnerServer;
  world: World;
  ctx: Context;
  hand: ReturnType<typeof byHand>;
  logged: () => string;
};

/** A world whose catalog asks a service in this way. */
async function open(entry: (url: string) => string): Promise<Scene & { close: () => Promise<void> }> {
  const partner = await startPartner();
  const catalog = `${READER_CATALOG}${MEDIA}${entry(new URL(partner.url).origin)}`;
  const world = await createWorld({ catalog, env: { BILLING_KEY: KEY, LETHE_PRIVATE_HOSTS: '127.0.0.1' } });
  await world.sql.unsafe(SCHEMA);
  const { ctx } = await world.domain();
  const lines: string[] = [];
  const sink = new Writable({
    write: (line, _, done) => {
      lines.push(String(line));
      done();
    },
  });
  const log = pino({ level: 'trace' }, sink);
  const hand = byHand(world, { ...ctx, log }, log);
  const close = async () => {
    await hand.close();
    await world.close();
    await partner.close();
  };
  return { partner, world, ctx, hand, logged: () => lines.join(''), close };
}

let made = 0;
async function account(
  { world }: Scene,
  customer: string | null = null,
  files: readonly string[] = [],
): Promise<string> {
  const row = { email: `request-${++made}@example.com`, customer };
  const [of] = await world.sql<{ id: string }[]>`INSERT INTO accounts ${world.sql(row)} RETURNING id::text`;
  const id = of?.id as string;
  for (const file_key of files) await world.sql`INSERT INTO media ${world.sql({ account_id: id, file_key })}`;
  return id;
}

/** What the ledger has counted for the partner. */
async function counted({ world }: Scene, erasure: string): Promise<number | null> {
  const [row] = await world.sql<{ rows: number | null }[]>`
    SELECT sum(rows_deleted)::int AS rows FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
     WHERE t.erasure_id = ${erasure} AND t.location = 'billing'`;
  return row?.rows ?? null;
}

/** Everything of Lethe's own tables that people read. */
async function shown({ world }: Scene, erasure: string): Promise<string> {
  const rows = await Promise.all([
    world.sql`SELECT last_words FROM lethe.call WHERE erasure_id = ${erasure}`,
    world.sql`SELECT last_error FROM lethe.task WHERE erasure_id = ${erasure}`,
    world.sql`SELECT data FROM lethe.event WHERE erasure_id = ${erasure}`,
    world.sql`SELECT words FROM lethe.partner`,
  ]);
  return JSON.stringify(rows);
}

describe('a request about an account', () => {
  let scene: Awaited<ReturnType<typeof open>>;
  beforeAll(async () => {
    scene = await open(WHOLE);
  });
  afterAll(() => scene?.close());

  it('is made when the row is gone, with what stood there', async () => {
    const { partner, hand, ctx, world } = scene;
    const id = await account(scene, 'cus_1');
    const erasure = await request(ctx, id);
    let rows: unknown;
    partner.next(async (hands) => {
      rows = (await world.sql`SELECT FROM accounts WHERE id = ${id}`).length;
      await partnerErased(hands);
    });
    expect(await hand.round(erasure)).toBe('completed');
    expect(rows).toBe(0);
    const [call] = await hand.calls(erasure);
    expect(partner.received.at(-1)).toMatchObject({
      method: 'DELETE',
      path: '/v1/customers/cus_1?source=lethe',
      body: '',
    });
    expect(partner.received.at(-1)?.headers).toMatchObject({
      authorization: `Bearer ${KEY}`,
      'idempotency-key': call?.id,
    });
    expect(call).toMatchObject({ state: 'done', last_words: 'answered 200', sealed: null });
    expect(await counted(scene, erasure)).toBe(1);
  });

  it('is not made once more when its values are destroyed, and not for whoever has the key by then', async () => {
    const { partner, hand, ctx, world } = scene;
    const id = await account(scene, 'cus_3');
    const erasure = await request(ctx, id);
    expect(await hand.round(erasure)).toBe('completed');
    const before = partner.received.length;
    // Its task is to be done once more, and somebody new has the key.
    await world.sql`UPDATE lethe.task SET state = 'pending', pass = pass + 1, finished_at = NULL
                     WHERE erasure_id = ${erasure} AND location = 'billing'`;
    await world.sql`UPDATE lethe.erasure SET state = 'awaiting', completed_at = NULL, dispatched_at = now()
                     WHERE id = ${erasure}`;
    await world.sql`INSERT INTO accounts (id, email, customer) OVERRIDING SYSTEM VALUE
                    VALUES (${id}, 'newer@example.com', 'cus_of_somebody_new')`;
    await hand.round(erasure);
    expect(partner.received.length).toBe(before);
    expect((await hand.calls(erasure)).at(-1)).toMatchObject({
      state: 'dropped',
      last_words: 'what select: names is not kept any more: the row is gone, and what it said was told already',
    });
  });

  it.each(['../../v2/all', 'a?b=c#d', '%2e%2e/x', 'a\r\nX-Evil: 1', `"'{}`, '🗝️ key', '//evil.example/'])(
    'stays one segment of the path: %j',
    async (customer) => {
      const { partner, hand, ctx } = scene;
      const erasure = await request(ctx, await account(scene, customer));
      expect(await hand.round(erasure)).toBe('completed');
      const { path = '', headers = {} } = partner.received.at(-1) ?? {};
      expect(path).toBe(`/v1/customers/${encodeURIComponent(customer)}?source=lethe`);
      expect(headers['x-evil']).toBeUndefined();
    },
  );

  it('is not made where there is nothing to ask for', async () => {
    const { partner, hand, ctx } = scene;
    const before = partner.received.length;
    const erasure = await request(ctx, await account(scene, null));
    expect(await hand.round(erasure)).toBe('completed');
    expect(partner.received.length).toBe(before);
    expect(await hand.calls(erasure)).toMatchObject([{ last_words: 'nothing was asked: skip when customer is null' }]);
    expect(await counted(scene, erasure)).toBe(0);
  });

  it.each(['', '..'])('is not made for %j, which would mean another place', async (customer) => {
    const { partner, hand, ctx } = scene;
    const before = partner.received.length;
    const erasure = await request(ctx, await account(scene, customer));
    expect(await hand.round(erasure)).toBe('awaiting');
    expect(partner.received.length).toBe(before);
    const [call] = await hand.calls(erasure);
    expect(call?.last_words).toMatch(/is empty, and skip: does not say what then|would make a segment of dots/);
    await scene.world.sql`DELETE FROM lethe.call WHERE erasure_id = ${erasure}`;
  });

  it.each<[BehaviourName, RegExp]>([
    ['html', /^answered 200 with a page in HTML$/],
    ['failed', /^answered 200, but its JSON has another value at status$/],
    ['no_echo', /^answered 200, but its JSON has another value at status$/],
    ['no_content', /^answered 204, which the catalog does not list as done$/],
    ['accepted', /^answered 202, which the catalog does not list as done$/],
    ['compressed', /^answered 200, compressed, which was not asked for$/],
    ['endless', /^answered 200 with more than is read of an answer$/],
    ['redirect', /^answered 307, a redirect, which is not followed/],
    ['route_missing', /^answered 404 with a page in HTML$/],
    ['refused', /^answered 401: it refused the credential$/],
    ['invalid', /^answered 400, which the catalog does not list as done$/],
    ['error', /^answered 500$/],
    ['unavailable', /^answered 503: not available$/],
    ['too_many', /^answered 429: too many requests$/],
    ['hang', /^no complete answer within 1 s$/],
    ['silent_body', /^no complete answer within 1 s$/],
    ['reset', /reset|closed/],
    ['half', /reset|closed/],
    ['garbage', /not HTTP/],
  ])('that is met with %s is made again, with the same id, and counted once', async (behaviour, words) => {
    const { partner, hand, ctx, logged } = scene;
    const erasure = await request(ctx, await account(scene, `cus_of_${behaviour}`));
    partner.next(behaviour);
    await hand.elapse();
    const before = partner.received.length;
    expect(await hand.round(erasure)).toBe('awaiting');
    const [call] = await hand.calls(erasure);
    expect(call).toMatchObject({ state: 'open', last_words: expect.stringMatching(words) });
    await hand.elapse();
    expect(await hand.round(erasure)).toBe('completed');
    const ids = partner.received.slice(before).map(({ headers }) => headers['idempotency-key']);
    expect([...new Set(ids)]).toEqual([call?.id]);
    expect(await counted(scene, erasure)).toBe(1);
    for (const text of [await shown(scene, erasure), logged()])
      for (const secret of [`cus_of_${behaviour}`, KEY]) expect(text).not.toContain(secret);
  });

  it('is made again once its variable is there again, and nobody reads it meanwhile', async () => {
    const { hand, ctx, world, partner } = scene;
    const erasure = await request(ctx, await account(scene, 'cus_2'));
    const before = partner.received.length;
    const gone = byHand(
      { ...world, config: (role, more) => world.config(role, { ...more, BILLING_KEY: '' }) } as World,
      ctx,
    );
    await hand.elapse();
    expect(await gone.round(erasure)).toBe('awaiting');
    await gone.close();
    expect(partner.received.length).toBe(before);
    expect(await hand.calls(erasure)).toMatchObject([{ last_words: 'the variable BILLING_KEY is not set' }]);
    await hand.elapse();
    expect(await hand.round(erasure)).toBe('completed');
  });
});

/** Says that it is done, in the words of the example. */
const partnerErased: Behaviour = ({ response }) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"erased"}');

describe('a request about each row', () => {
  const FILES = Array.from({ length: 12 }, (_, n) => `a/${n} ü?.png`);
  const asked = ({ partner }: Scene) =>
    partner.received.map(({ path }) => decodeURIComponent(path).replace('/files/', ''));

  it('is made for each, one after the other, and each is counted', async () => {
    const scene = await open(EACH);
    try {
      const erasure = await request(scene.ctx, await account(scene, null, FILES));
      expect(await scene.hand.round(erasure)).toBe('completed');
      expect(asked(scene).sort()).toEqual([...FILES].sort());
      expect(scene.partner.figures().highest).toBe(1);
      expect(await counted(scene, erasure)).toBe(FILES.length);
      expect(await scene.hand.calls(erasure)).toMatchObject([{ state: 'done', sealed: null }]);
    } finally {
      await scene.close();
    }
  });

  it('goes on where it was broken off, and asks for nothing twice but the one that failed, with the same id', async () => {
    const scene = await open(EACH);
    try {
      const { partner, hand, ctx } = scene;
      const erasure = await request(ctx, await account(scene, null, FILES));
      let n = 0;
      partner.behave((hands) => (++n >= 5 && n <= 6 ? void hands.response.writeHead(500).end() : partnerErased(hands)));
      expect(await hand.round(erasure)).toBe('awaiting');
      expect(await counted(scene, erasure)).toBe(4);
      expect(await hand.calls(erasure)).toMatchObject([{ state: 'open', cursor: ['4'], last_words: 'answered 500' }]);
      await hand.elapse();
      expect(await hand.round(erasure)).toBe('completed');
      expect(await counted(scene, erasure)).toBe(FILES.length);
      const of = new Map<string, Set<string>>();
      for (const { path, headers } of partner.received)
        of.set(path, (of.get(path) ?? new Set()).add(headers['idempotency-key'] as string));
      expect(of.size).toBe(FILES.length);
      expect([...of.values()].every((ids) => ids.size === 1)).toBe(true);
      expect(new Set([...of.values()].flatMap((ids) => [...ids])).size).toBe(FILES.length);
      expect(partner.received.length).toBe(FILES.length + 2);
    } finally {
      await scene.close();
    }
  });

  it('names several at once where the service takes lists', async () => {
    const scene = await open(LISTS);
    try {
      const erasure = await request(scene.ctx, await account(scene, null, FILES.slice(0, 10)));
      expect(await scene.hand.round(erasure)).toBe('completed');
      const bodies = scene.partner.received.map(({ body }) => JSON.parse(body) as { files: string[]; by: string });
      expect(bodies.map(({ files }) => files.length)).toEqual([4, 4, 2]);
      expect(bodies.flatMap(({ files }) => files).sort()).toEqual(FILES.slice(0, 10).sort());
      expect(bodies[0]?.by).toMatch(/^\d{4}-\d\d-\d\dT/);
      expect(await counted(scene, erasure)).toBe(10);
    } finally {
      await scene.close();
    }
  });

  it('is not made where there was no row', async () => {
    const scene = await open(EACH);
    try {
      const erasure = await request(scene.ctx, await account(scene));
      expect(await scene.hand.round(erasure)).toBe('completed');
      expect(scene.partner.received).toEqual([]);
    } finally {
      await scene.close();
    }
  });
});

describe('a request that cannot be made', () => {
  const refused = async (entry: string, env: Record<string, string> = {}) => {
    const world = await createWorld({ catalog: `${READER_CATALOG}${MEDIA}${entry}`, env });
    try {
      await world.sql.unsafe(SCHEMA);
      return await world.worker().then(
        () => 'it started',
        (error: Error) => error.message,
      );
    } finally {
      await world.close();
    }
  };
  const LOCAL = { LETHE_PRIVATE_HOSTS: '127.0.0.1' };

  it('keeps a worker from starting: a variable is not set', async () => {
    expect(await refused(WHOLE('http://127.0.0.1:1'), LOCAL)).toContain('BILLING_KEY: required by the partner billing');
  });

  it('keeps a worker from starting: a variable that no header can have', async () => {
    const words = await refused(WHOLE('http://127.0.0.1:1'), { ...LOCAL, BILLING_KEY: 'a\nb' });
    expect(words).toContain('billing: BILLING_KEY: has a character that no header can have');
  });

  it('keeps a worker from starting: a private host that is not allowed', async () => {
    const words = await refused(WHOLE('https://169.254.169.254'), { BILLING_KEY: KEY });
    expect(words).toContain('billing: request.url: its address is private, and not in LETHE_PRIVATE_HOSTS');
  });

  it('keeps a worker from starting: no https', async () => {
    const words = await refused(WHOLE('http://billing'), { BILLING_KEY: KEY });
    expect(words).toContain('billing: request.url: expected https://, or a host that is in LETHE_PRIVATE_HOSTS');
  });

  it('is refused with the catalog: a column that is not there, and templates that are wrong', async () => {
    const words = await refused(
      '  - { partner: billing, owner: billing, select: { customer: accounts.stripe_id, note: accounts.customer }, request: { method: DELETE, url: "http://a.example/{custmer}", done: 401 } }\n',
    );
    for (const line of [
      'billing: url: expected https://: without it a value, and the credential, can be read on the way',
      'billing: url: unknown name {custmer}; known are {customer}, {note}, {account}, {id}, {requestedAt}, {env:NAME}',
      'billing: done: 401 never says that data is gone: name statuses of the 200s, or 404 and its like',
      'billing: select.note is named nowhere in the request: leave it out, since it would be kept for nothing',
      'billing: select.customer: accounts has no column stripe_id',
    ])
      expect(words).toContain(line);
  });

  it('keeps the account while a column is gone, says which, and goes on when it is back', async () => {
    const scene = await open(WHOLE);
    try {
      const { world, partner } = scene;
      const id = await account(scene, 'cus_1');
      await world.sql`ALTER TABLE accounts RENAME COLUMN customer TO client`;
      // A process that has started since, as each would within a minute.
      const { ctx } = await world.domain();
      const later = byHand(world, ctx);
      const erasure = await request(ctx, id);
      expect(await later.round(erasure)).toBe('stalled');
      await later.close();
      expect(await shown(scene, erasure)).toContain('billing: select.customer: accounts has no column customer');
      expect(await world.sql`SELECT FROM accounts WHERE id = ${id}`).toHaveLength(1);
      expect(partner.received).toEqual([]);
      await world.sql`ALTER TABLE accounts RENAME COLUMN client TO customer`;
      // And once more, as the words say.
      const mended = await world.domain();
      const again = byHand(world, mended.ctx);
      await replayErasure(mended.ctx, erasure, 'test');
      expect(await again.round(erasure)).toBe('completed');
      await again.close();
      expect(partner.received).toMatchObject([{ path: '/v1/customers/cus_1?source=lethe' }]);
    } finally {
      await scene.close();
    }
  });
});

it('a request that finds its data by the account alone is known as such', async () => {
  const scene = await open(
    (url) =>
      `  - { partner: billing, owner: billing, request: { method: DELETE, url: "${url}/{account}", done: 204 } }\n`,
  );
  try {
    expect(scene.ctx.catalog.locations.find(isAsked)).toMatchObject({ name: 'billing', byKeyAlone: true });
  } finally {
    await scene.close();
  }
});
