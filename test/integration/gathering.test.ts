import { sql } from 'drizzle-orm';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectCatalog } from '../../src/catalog/check.ts';
import type { TableLocation } from '../../src/catalog/live/types.ts';
import { parseCatalog } from '../../src/catalog/load.ts';
import type { KeyValue } from '../../src/keys/types.ts';
import { takeGathered } from '../../src/locations/gathered.ts';
import type { Carrier, ChunkWork, Claim, KindContext, StubbornWork } from '../../src/locations/kind.ts';
import { table } from '../../src/locations/table/kind.ts';
import type { Transaction } from '../../src/store/client.ts';
import { afterCommit, limitStatements, transaction } from '../../src/store/transaction.ts';
import { SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const PARTNERS = `${READER_CATALOG}
  - { table: albums, account: account_id, owner: media }
  - { table: media, account: account_id, owner: media }
  - { partner: files, owner: media, each: media.file_key, http: { url: "https://files.example", secret: "env:FILES_SECRET" } }
  - { partner: sizes, owner: media, each: media.size, http: { url: "https://sizes.example", secret: "env:FILES_SECRET" } }
  - { partner: covers, owner: media, each: albums.cover, http: { url: "https://covers.example", secret: "env:FILES_SECRET" } }
  - { partner: devices, owner: media, each: sessions.id, http: { url: "https://devices.example", secret: "env:FILES_SECRET" } }
  - partner: billing
    owner: media
    select: { customer: accounts.email }
    http: { url: "https://billing.example", secret: "env:FILES_SECRET" }
`;

type Told = Record<string, Record<string, string | null>[]>;
/** What each of the gathered tables is told of, by its name. */
const COLUMNS: Record<string, string[]> = {
  accounts: ['email'],
  sessions: ['id'],
  albums: ['cover'],
  media: ['file_key', 'size'],
};
const KEYS = ["o'neil.png", 'a "b".png', 'two\nlines', '🖼.png', 'back\\slash', '{a,b}', 'NULL', ''];
const LIMITS = { statementMs: 20_000, lockMs: 20_000 };

let world: World;
let ctx: KindContext;
const deleteRows = table.outcomes.delete as Carrier<TableLocation>;
const inside = table.inside as NonNullable<typeof table.inside>;

beforeAll(async () => {
  world = await createWorld();
  const { ctx: opened } = await world.domain();
  await world.sql.unsafe(`
    CREATE TABLE albums (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts,
      cover text);
    CREATE TABLE media (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts,
      album_id bigint REFERENCES albums, file_key text, size int);
    CREATE INDEX ON albums (account_id, id);
    CREATE INDEX ON media (account_id, id);
    CREATE INDEX ON media (album_id)`);
  const { catalog, errors } = await inspectCatalog(opened.db, parseCatalog(PARTNERS));
  expect(errors).toEqual([]);
  ctx = { ...opened, catalog: catalog as KindContext['catalog'] };
});
afterAll(() => world.close());

const location = (name: string) => ctx.catalog.tables.find((l) => l.name === name) as TableLocation;

/** An account and a bystander with so many files in two albums: keys that are hard to write, that are missing, that are there twice. */
async function member(files: number) {
  const { account, bystander } = await subject(world.sql, SMALL, 2);
  for (const of of [account, bystander]) {
    await world.sql`INSERT INTO albums (account_id, cover) VALUES (${of}, 'a.png'), (${of}, NULL)`;
    await world.sql`
      INSERT INTO media (account_id, album_id, file_key, size)
      SELECT ${of}, (SELECT min(id) FROM albums WHERE account_id = ${of}),
             CASE WHEN n % 10 = 0 THEN NULL WHEN n % 10 = 1 THEN 'same.png'
                  ELSE (${KEYS}::text[])[1 + n % ${KEYS.length}] || CASE WHEN n % 3 = 0 THEN n::text ELSE '' END END, n
        FROM generate_series(1, ${files}) AS n`;
  }
  return { account, bystander };
}

const sorted = (rows: readonly object[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

/** What partners would be told of all that there is now, read without Lethe. */
async function present(sql: Sql | Tx, account: string): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {};
  for (const [name, columns] of Object.entries(COLUMNS)) {
    const list = columns.map((c) => `${c}::text`).join(', ');
    const rows = await sql.unsafe(
      `SELECT ${list} FROM ${name} WHERE ${name === 'accounts' ? 'id' : 'account_id'} = $1`,
      [account],
    );
    all[name] = sorted(rows.map((row) => Object.fromEntries(columns.map((c) => [c, row[c]]))));
  }
  return all;
}
type Tx = Pick<Sql, 'unsafe'>;

/** What is in `before` and not in `after`, counting what is there twice. */
function missing(before: Record<string, string[]>, after: Record<string, string[]>): Record<string, string[]> {
  const gone: Record<string, string[]> = {};
  for (const [name, rows] of Object.entries(before)) {
    const left = [...(after[name] ?? [])];
    const went = rows.filter((row) => {
      const at = left.indexOf(row);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
    expect(left).toEqual([]);
    if (went.length > 0) gone[name] = went;
  }
  return gone;
}

/** Collects what transactions have gathered that were committed. */
function collector() {
  const told: Told = {};
  const take = (tx: Transaction) => {
    const gathered = takeGathered(tx);
    afterCommit(tx, () => {
      for (const [from, rows] of gathered) told[from] = [...(told[from] ?? []), ...rows];
    });
  };
  const said = () => Object.fromEntries(Object.entries(told).map(([from, rows]) => [from, sorted(rows)]));
  return { take, said };
}

type Collector = ReturnType<typeof collector>;
type How = Partial<Pick<Claim, 'skipLocked' | 'limit'>> & {
  onClaim?: (tx: Transaction) => Promise<unknown>;
  onRecord?: (tx: Transaction) => Promise<unknown>;
};

/** Slices over all of a location's rows, as a chunk's job makes them. */
function chunkOf(name: string, account: string, upper: KeyValue, { take }: Collector, how: How = {}) {
  let cursor: KeyValue | null = null;
  const { limit = 100_000, skipLocked = false, onClaim, onRecord } = how;
  const work: ChunkWork<TableLocation> = {
    chunkId: 0,
    location: location(name),
    account: [account],
    first: false,
    claim: async (tx) => {
      await onClaim?.(tx);
      return { cursor, upper, left: 100_000, early: false, limit, skipLocked };
    },
    recordOutside: async () => {},
    record: async (tx, done) => {
      const { cursor: reached } = done;
      afterCommit(tx, () => {
        cursor = reached ?? cursor;
      });
      await onRecord?.(tx);
      take(tx);
    },
    isNewer: async () => false,
  };
  return () => deleteRows.step(ctx, work);
}

async function lastKey(name: string, account: string): Promise<KeyValue> {
  const [row] = await world.sql.unsafe(`SELECT max(id)::text AS id FROM ${name} WHERE account_id = $1`, [account]);
  return [row?.id as string];
}

/** Does slices until the chunk is finished. */
async function finish(slice: ReturnType<typeof chunkOf>): Promise<number> {
  for (let slices = 1; slices < 50; slices++) if ((await slice())?.finished) return slices;
  throw new Error('no end');
}

/** The last transaction of an account, whose row it has locked. */
const lastOf = (account: string, { take }: Collector, untouched: boolean) =>
  transaction(ctx.db, LIMITS, async (tx) => {
    await inside.eraseRest(tx, ctx, [account], { rows: 100_000, ms: 20_000, untouched });
    take(tx);
  });

const stubborn = ({ take }: Collector): StubbornWork => ({
  claim: async () => true,
  isNewer: async () => false,
  record: async (tx) => take(tx),
});

/** Runs `work` while a session of the application waits in its transaction, and commits that when `work` waits for it. */
async function whileLocked(change: (tx: Sql) => Promise<unknown>, work: () => Promise<unknown>): Promise<void> {
  let working: Promise<unknown> | undefined;
  await world.sql.begin(async (tx) => {
    await change(tx as unknown as Sql);
    working = work();
    working.catch(() => {});
    await until('the deletion waits for a lock', async () => {
      const [row] = await world.sql`
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ~ '"media"'`;
      return row ? true : null;
    });
  });
  await working;
}

/** Makes a trigger that runs `body`, and has this process know of it. */
async function hook(when: string, body: string) {
  await world.sql.unsafe(`CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} END $$;
    CREATE TRIGGER hook ${when} EXECUTE FUNCTION hook()`);
  await table.look(ctx, ['0'], { begun: true });
}
const unhook = async () => {
  await world.sql.unsafe('DROP FUNCTION IF EXISTS hook() CASCADE');
  await table.look(ctx, ['0'], { begun: true });
};

describe('what is gathered is exactly what was deleted:', () => {
  it('slices of 2,500 rows', async () => {
    const { account, bystander } = await member(2500);
    const before = await present(world.sql, account);
    const others = await present(world.sql, bystander);
    const collected = collector();
    const slices = await finish(chunkOf('media', account, await lastKey('media', account), collected, { limit: 1000 }));
    expect(slices).toBe(3);
    expect(collected.said()).toEqual({ media: before.media });
    expect(before.media?.length).toBe(2500);
    expect(missing(before, await present(world.sql, account))).toEqual({ media: before.media });
    expect(await present(world.sql, bystander)).toEqual(others);
  });

  it('children that go with their parents', async () => {
    const { account } = await member(30);
    const before = await present(world.sql, account);
    const collected = collector();
    await finish(chunkOf('albums', account, await lastKey('albums', account), collected));
    expect(collected.said()).toEqual({ albums: before.albums, media: before.media });
    expect(missing(before, await present(world.sql, account))).toEqual(collected.said());
  });

  it.each([
    ['with one statement each', true],
    ['picked', false],
  ])('a small account in the last transaction, %s', async (_, untouched) => {
    const { account, bystander } = await member(30);
    const before = await present(world.sql, account);
    const others = await present(world.sql, bystander);
    const collected = collector();
    await lastOf(account, collected, untouched);
    expect(collected.said()).toEqual(before);
    expect(before.accounts?.length).toBe(1);
    expect(missing(before, await present(world.sql, account))).toEqual(before);
    expect(await present(world.sql, bystander)).toEqual(others);
  });

  it('sessions at the request', async () => {
    const { account } = await member(3);
    const before = await present(world.sql, account);
    const collected = collector();
    await transaction(ctx.db, LIMITS, async (tx) => {
      await inside.eraseAtRequest(tx, ctx, [account], { most: 1000, record: async () => {} });
      collected.take(tx);
    });
    expect(collected.said()).toEqual({ sessions: before.sessions });
    expect(before.sessions?.length).toBe(2);
  });

  it('a row that is locked: by whoever gets it later', async () => {
    const { account } = await member(30);
    const before = await present(world.sql, account);
    const collected = collector();
    const slice = chunkOf('media', account, await lastKey('media', account), collected, { skipLocked: true });
    await world.sql.begin(async (tx) => {
      await tx`SELECT 1 FROM media WHERE account_id = ${account} AND size = 17 FOR UPDATE`;
      await finish(slice);
    });
    expect(collected.said()).toEqual(missing(before, await present(world.sql, account)));
    expect(collected.said().media?.length).toBe(29);
    await inside.eraseStubborn(ctx, [account], stubborn(collected));
    expect(collected.said()).toEqual({ ...before, accounts: undefined });
  });

  it('a row that comes between two slices', async () => {
    const { account } = await member(2500);
    const collected = collector();
    const slice = chunkOf('media', account, await lastKey('media', account), collected, { limit: 1000 });
    await slice();
    await world.sql`INSERT INTO media (id, account_id, file_key) OVERRIDING SYSTEM VALUE VALUES (-${account}::bigint, ${account}, 'late.png')`;
    await finish(slice);
    await lastOf(account, collected, false);
    expect(collected.said().media).toContain('{"file_key":"late.png","size":null}');
    expect(collected.said().media?.length).toBe(2501);
  });

  it.each([
    ['its slice', 'slice'],
    ['the last transaction', 'last'],
    ['a slice of a table whose trigger might veto', 'vetoed'],
  ])('a key that changes, and a row that goes to somebody else, while %s waits', async (_, way) => {
    const { account, bystander } = await member(30);
    const others = await present(world.sql, bystander);
    const collected = collector();
    const onClaim = (tx: Transaction) => limitStatements(tx, { statementMs: 20_000, lockMs: 20_000 });
    const last = await lastKey('media', account);
    if (way === 'vetoed') await hook('BEFORE DELETE ON media FOR EACH ROW', 'RETURN OLD;');
    try {
      await whileLocked(
        async (tx) => {
          await tx`UPDATE media SET file_key = 'changed.png' WHERE account_id = ${account} AND size = 17`;
          await tx`UPDATE media SET account_id = ${bystander}, album_id = NULL WHERE account_id = ${account} AND size = 18`;
        },
        () =>
          way === 'last'
            ? lastOf(account, collected, true)
            : finish(chunkOf('media', account, last, collected, { onClaim })),
      );
    } finally {
      await unhook();
    }
    const { media = [] } = collected.said();
    expect(media).toContain('{"file_key":"changed.png","size":"17"}');
    expect(media.filter((row) => /"(17|18)"/.test(row)).length).toBe(1);
    expect(media.length).toBe(29);
    const moved = missing(await present(world.sql, bystander), others);
    expect(moved.media?.length).toBe(1);
  });

  it('a deletion that begins again, since a trigger has come meanwhile, is gathered once', async () => {
    const { account } = await member(30);
    const before = await present(world.sql, account);
    const collected = collector();
    let tries = 0;
    const onClaim = async () => {
      tries++;
      if (tries === 1)
        await world.sql.unsafe(`CREATE FUNCTION hook() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$;
          CREATE TRIGGER hook BEFORE DELETE ON media FOR EACH ROW EXECUTE FUNCTION hook()`);
    };
    try {
      await finish(chunkOf('media', account, await lastKey('media', account), collected, { onClaim }));
    } finally {
      await unhook();
    }
    expect(tries).toBe(2);
    expect(collected.said()).toEqual({ media: before.media });
  });

  it('what a trigger turns into nothing is not gathered, and nothing else is lost with it', async () => {
    const { account } = await member(30);
    const before = await present(world.sql, account);
    const collected = collector();
    await hook('BEFORE DELETE ON media FOR EACH ROW', 'IF OLD.size = 7 THEN RETURN NULL; END IF; RETURN OLD;');
    try {
      const slice = chunkOf('media', account, await lastKey('media', account), collected);
      await expect(slice()).rejects.toThrow(/change_ignored/);
    } finally {
      await unhook();
    }
    expect(collected.said()).toEqual({});
    expect(await present(world.sql, account)).toEqual(before);
  });

  it('rows that a trigger deletes cannot be gathered, so the transaction is rolled back', async () => {
    const { account } = await member(30);
    const before = await present(world.sql, account);
    const collected = collector();
    await hook(
      'AFTER DELETE ON feeds FOR EACH ROW',
      'DELETE FROM media WHERE account_id = OLD.account_id; RETURN NULL;',
    );
    try {
      const slice = chunkOf('feeds', account, await lastKey('feeds', account), collected);
      await expect(slice()).rejects.toThrow(
        /^unexpected_changes: media: a trigger or rule deletes its rows \(see trigger hook on public.feeds\), so partners/,
      );
    } finally {
      await unhook();
    }
    expect(collected.said()).toEqual({});
    expect(await present(world.sql, account)).toEqual(before);
  });
});

it('what nobody is told of is not gathered', async () => {
  const { account } = await member(3);
  const quiet = await inspectCatalog(ctx.db, parseCatalog(PARTNERS.split('\n  - { partner')[0] as string));
  const catalog = quiet.catalog as KindContext['catalog'];
  const gathered = await transaction(ctx.db, LIMITS, async (tx) => {
    await inside.eraseRest(tx, { ...ctx, catalog }, [account], { rows: 1000, ms: 20_000, untouched: true });
    return takeGathered(tx);
  });
  expect([...gathered]).toEqual([]);
  expect((await present(world.sql, account)).media).toEqual([]);
});

it('a slice that gathers reads no table from end to end', async () => {
  const { account, bystander } = await member(2500);
  // Of a small table the planner rightly reads all pages.
  await world.sql`INSERT INTO media (account_id, file_key) SELECT ${bystander}, repeat('k', 100) FROM generate_series(1, 60000)`;
  await world.sql`ANALYZE media`;
  const collected = collector();
  const scans: number[] = [];
  const take = async (tx: Transaction) => {
    const [row] = await tx.execute<{ scans: number }>(
      sql`SELECT seq_scan::int AS scans FROM pg_stat_xact_user_tables WHERE relname = 'media'`,
    );
    scans.push(row?.scans ?? -1);
  };
  const slice = chunkOf('media', account, await lastKey('media', account), collected, { limit: 1000, onRecord: take });
  await finish(slice);
  expect(scans).toEqual([0, 0, 0]);
  expect(collected.said().media?.length).toBe(2500);
});
