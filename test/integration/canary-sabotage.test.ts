import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CanaryWork } from '../../src/canary/model.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { startWatchingCanary } from '../../src/jobs/watch-canary.ts';
import type { AskedLocation, Looking, Planting, Sender } from '../../src/locations/asked.ts';
import type { Inside } from '../../src/locations/kind.ts';
import { KINDS, type Kinds } from '../../src/locations/kinds/registry.ts';
import { table } from '../../src/locations/table/kind.ts';
import { begin, canaryCatalog, canaryWork, found, moveUntil, PLANT, wholeCycle } from '../support/test-data.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

let world: World;
let ctx: Context;
beforeAll(async () => {
  world = await createWorld({ catalog: canaryCatalog(), env: { CANARY_KEY: KEYS.write } });
  ({ ctx } = await world.domain());
});
afterAll(() => world.close());

/** The same context with a table's kind that lies. */
const lying = (change: (inside: Inside) => Partial<Inside>): Context => {
  const inside = table.inside as Inside;
  const kinds: Kinds = { ...KINDS, table: { ...table, inside: { ...inside, ...change(inside) } } };
  return { ...ctx, kinds };
};
const statement = (text: string) => world.sql.unsafe(text);

describe('an eraser that does not do what it says', () => {
  it('deletes nothing and says that it is done: each table and the account are named', async () => {
    const none = lying(() => ({
      eraseRest: async () =>
        new Map([
          ['posts', 3],
          ['feeds', 1],
          ['sessions', 2],
          ['accounts', 1],
        ]),
      eraseAtRequest: async () => ({ more: false, kept: [] }),
    }));
    expect(found(await wholeCycle(canaryWork(none), world))).toEqual([
      "accounts: the account's own row is still there",
      'feeds: 1 row is still there',
      'posts: 3 rows are still there',
      'sessions: 2 rows are still there',
    ]);
  });

  it('counts one row more than there was', async () => {
    const more = lying(({ eraseRest }) => ({
      eraseRest: async (...of) => {
        const gone = await eraseRest(...of);
        return gone.set('posts', (gone.get('posts') ?? 0) + 1);
      },
    }));
    // The acceptance compares, and leaves it to a second transaction.
    expect(found(await wholeCycle(canaryWork(more), world))).toEqual(['posts: the ledger counts 4, and 3 were there']);
  });

  it('has a ledger that loses what it counted', async () => {
    await statement(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN NEW.rows_deleted := 0; RETURN NEW; END $$;
      CREATE TRIGGER lose BEFORE INSERT OR UPDATE ON lethe.chunk FOR EACH ROW EXECUTE FUNCTION lose()`);
    try {
      expect(found(await wholeCycle(canaryWork(ctx), world))).toEqual([
        'accounts: the ledger counts 0 accounts',
        'feeds: the ledger counts 0, and 1 were there',
        'posts: the ledger counts 0, and 3 were there',
        'sessions: the ledger counts 0, and 2 were there',
      ]);
    } finally {
      await statement('DROP TRIGGER lose ON lethe.chunk');
    }
  });

  it('meets a trigger that writes rows back afterwards', async () => {
    // No foreign key is in the way of who writes later: as an application with a cache that is written back.
    await statement('ALTER TABLE posts DROP CONSTRAINT posts_account_id_fkey, DROP CONSTRAINT posts_feed_id_fkey');
    const work = canaryWork(ctx);
    const late: CanaryWork = {
      ...work,
      ask: async (key, id, signal) => {
        const asked = await work.ask(key, id, signal);
        await world.sql`INSERT INTO posts (account_id, feed_id, title, body) VALUES (${key}, 0, 'back', 'again')`;
        return asked;
      },
    };
    try {
      expect(found(await wholeCycle(late, world))).toEqual(['posts: 1 row is still there']);
    } finally {
      await statement(`DELETE FROM posts WHERE feed_id = 0;
        ALTER TABLE posts ADD CONSTRAINT posts_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts ON DELETE CASCADE,
          ADD CONSTRAINT posts_feed_id_fkey FOREIGN KEY (feed_id) REFERENCES feeds ON DELETE CASCADE`);
    }
  });

  it('cannot come to its end, because a trigger keeps a row: the location is named with its error', async () => {
    await statement(`CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
      CREATE TRIGGER keep BEFORE DELETE ON posts FOR EACH ROW EXECUTE FUNCTION keep()`);
    try {
      const lines = found(await wholeCycle(canaryWork(ctx, {}, 500), world));
      expect(lines).toContainEqual(expect.stringMatching(/^posts: not erased in time: /));
    } finally {
      await statement('DROP TRIGGER keep ON posts');
    }
  });
});

describe('what is planted where nobody erases', () => {
  it('is a finding for a table that the catalog does not list', async () => {
    await statement('CREATE TABLE audit (account bigint, "what {{" text)');
    const audited = canaryWork(ctx);
    const plant = [...PLANT, 'INSERT INTO audit VALUES ($account, $marker)'];
    const cycle = await wholeCycle({ ...audited, declared: { ...audited.declared, plant } }, world);
    expect(found(cycle)).toEqual(['public.audit: planted there, and the catalog does not list it: no erasure looks']);
    expect(await world.sql`SELECT 1 FROM accounts WHERE id = ${cycle.accountKey}`).toHaveLength(0);
  });

  it('is a finding for a table that was taken out of the catalog meanwhile', async () => {
    await statement('ALTER TABLE posts DROP CONSTRAINT posts_account_id_fkey');
    const work = canaryWork(ctx);
    await begin(work);
    await moveUntil(work, world, (c) => c.state === 'planted');
    const without = (c: Context): Context => ({
      ...c,
      catalog: {
        ...c.catalog,
        locations: c.catalog.locations.filter((l) => l.name !== 'sessions'),
        tables: c.catalog.tables.filter((l) => l.name !== 'sessions'),
      },
    });
    const less = canaryWork(without(ctx));
    const cycle = await moveUntil(less, world, (c) => c.finishedAt !== null);
    expect(found(cycle)).toContainEqual(
      expect.stringMatching(/^sessions: planted there, and the erasure has no task for it/),
    );
  });
});

describe('a partner', () => {
  /** A partner of no kind that answers as it is told. */
  const partner = {
    kind: 'liar',
    name: 'search',
    action: 'delete',
    pacing: { timeoutMs: 200 },
    early: false,
    each: { location: 'posts', column: 'title' },
    select: { address: 'email' },
  } as unknown as AskedLocation;
  const withPartner = (sender: Partial<Sender>, within?: number): CanaryWork => {
    const catalog = { ...ctx.catalog, locations: [...ctx.catalog.locations, partner] };
    const of = { ...ctx, catalog };
    const work = canaryWork(ctx, { senderOf: () => sender as Sender }, within);
    // The erasure itself knows nothing of it.
    return { ...work, ctx: of };
  };
  const planted: Planting = { kind: 'planted', items: 1, words: 'done' };

  it.each<[string, Looking | 'hangs' | 'throws', RegExp]>([
    [
      'says that it still has the account',
      { kind: 'present', words: 'it says present' },
      /^search: it still has the account: it says present$/,
    ],
    [
      'does not answer',
      { kind: 'unknown', words: 'it answered 500' },
      /^search: it cannot be looked at: it answered 500$/,
    ],
    ['was planted and cannot be asked now', { kind: 'unable', words: 'no address' }, /^search: .* at: no address$/],
    ['hangs', 'hangs', /^search: it cannot be looked at: no answer within 0.4 s$/],
    ['makes its sender fail', 'throws', /^search: it cannot be looked at: it could not be asked \(internal_error\)$/],
  ])('that %s is found, and only it', async (_, answer, words) => {
    const look: Sender['look'] = async () => {
      if (answer === 'throws') throw new Error('secret 4711');
      return answer === 'hangs' ? new Promise<Looking>(() => {}) : answer;
    };
    const cycle = await wholeCycle(withPartner({ plant: async () => planted, look }, 800), world);
    // Here the erasure has no task for it, since no kind erases it: the finding beside it is this test's own.
    expect(found(cycle).filter((line) => !line.includes('no task'))).toEqual([expect.stringMatching(words)]);
  });

  it('is not planted any more when another process has gone on meanwhile', async () => {
    const told: string[] = [];
    const plant: Sender['plant'] = async ({ name }) => {
      told.push(name);
      await world.sql`UPDATE lethe.canary SET state = 'planted' WHERE finished_at IS NULL`;
      return planted;
    };
    const work = withPartner({ plant });
    const locations = [...work.ctx.catalog.locations, { ...partner, name: 'second' }];
    const both = { ...work, ctx: { ...work.ctx, catalog: { ...work.ctx.catalog, locations } } };
    await begin(both);
    await moveUntil(both, world, (c) => c.state === 'planted');
    expect(told).toEqual(['search']);
    await moveUntil(canaryWork(ctx), world, (c) => c.finishedAt !== null);
  });

  it('may take longer than the duty: it is kept meanwhile, and who has lost it breaks off', async () => {
    let broken = false;
    let asked = 0;
    const plant: Sender['plant'] = (_, __, signal) => {
      asked += 1;
      return new Promise((resolve) =>
        signal.addEventListener('abort', () => {
          broken = true;
          resolve({ kind: 'later', words: 'broken off' });
        }),
      );
    };
    const work = withPartner({ plant });
    const slow = { ...partner, pacing: { timeoutMs: 30_000 } } as AskedLocation;
    const catalog = { ...ctx.catalog, locations: [...ctx.catalog.locations, slow] };
    await world.sql`UPDATE lethe.canary SET created_at = created_at - interval '2 hours'`;
    const times = { leaseMs: 300, askMs: 10, tickMs: 5 };
    const duty = startWatchingCanary((signal) => ({ ...work, ctx: { ...work.ctx, catalog }, signal }), times);
    try {
      await until('it is asked', async () => asked > 0);
      const [begun] = await world.sql`SELECT held_until FROM lethe.duty WHERE name = 'canary'`;
      await until('the duty was extended', async () => {
        const [now] = await world.sql`SELECT held_until FROM lethe.duty WHERE name = 'canary'`;
        return now?.held_until.getTime() > begun?.held_until.getTime() + 600;
      });
      expect(broken).toBe(false);
      await world.sql`UPDATE lethe.duty SET holder = 'other', held_until = now() + interval '1 hour' WHERE name = 'canary'`;
      await until('it is broken off', async () => broken);
    } finally {
      await duty.stop();
      await world.sql`DELETE FROM lethe.duty WHERE name = 'canary'`;
    }
    await moveUntil(canaryWork(ctx), world, (c) => c.finishedAt !== null);
  });

  it('that has planted nothing by its own count is looked at all the same', async () => {
    const look: Sender['look'] = async () => ({ kind: 'present', words: 'it says present' });
    const cycle = await wholeCycle(withPartner({ plant: async () => ({ ...planted, items: 0 }), look }, 500), world);
    expect(found(cycle)).toContainEqual('search: it still has the account: it says present');
  });

  it('is told what the erasure will tell it: the keys of planted rows, and columns of the account', async () => {
    const told: unknown[] = [];
    const plant: Sender['plant'] = async (_, of) => {
      told.push(of);
      return planted;
    };
    const work = withPartner({ plant, look: async () => ({ kind: 'absent', words: 'gone' }) });
    await begin(work);
    const { accountKey, planted: counted } = await moveUntil(work, world, (c) => c.state === 'planted');
    const [{ marker } = { marker: '' }] = told as { marker: string }[];
    expect(marker).toMatch(/^canary-[0-9a-f]{32}$/);
    expect(told).toEqual([
      {
        id: expect.any(String),
        marker,
        account: { id: accountKey },
        keys: [marker, marker, marker],
        values: { address: `${marker}@example.com` },
      },
    ]);
    expect(counted).toMatchObject({ search: 1, posts: 3 });
    await moveUntil(work, world, (c) => c.finishedAt !== null);
  });

  it('that cannot be planted is left out, and one that is away is a finding after two minutes', async () => {
    expect(found(await wholeCycle(withPartner({}), world))).toEqual([]);
    const away: Sender['plant'] = async () => ({ kind: 'later', words: 'the connection was refused' });
    const work = withPartner({ plant: away });
    await begin(work);
    const tried = await moveUntil(work, world, (c) => c.attempts > 2);
    expect(tried).toMatchObject({ state: 'planting', lastWords: 'search: the connection was refused' });
    await world.sql`UPDATE lethe.canary SET created_at = now() - interval '3 minutes' WHERE id = ${tried.id}`;
    const cycle = await moveUntil(work, world, (c) => c.finishedAt !== null);
    expect(found(cycle)).toEqual(['search: not planted: the connection was refused']);
  });
});
