import type { SQL } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeForeignKey, inspectForeignKeys } from '../../src/catalog/live/inspect.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { eraseNow } from '../../src/erasure/accept/start.ts';
import { advanceErasure } from '../../src/erasure/steps/advance.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { finishErasure } from '../../src/erasure/steps/finish.ts';
import { findAccount } from '../../src/locations/account/row.ts';
import { eraseRest } from '../../src/locations/table/erase-rest.ts';
import { refuseNewReferences } from '../../src/locations/table/refuse-new-references.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { transaction } from '../../src/store/transaction.ts';
import { expectErased, rowsOf } from '../support/evidence.ts';
import { whileDeletionsLinger } from '../support/linger.ts';
import { begin, run } from '../support/run-by-hand.ts';
import { everything, SMALL, subject } from '../support/subject.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld({ env: { LETHE_CHUNK_ROWS: '500' } });
  domain = await world.domain();
});
afterAll(() => world.close());

/** Runs `work` while the database refuses what `trigger` says. */
async function refusing(trigger: string, work: () => Promise<void>): Promise<void> {
  await world.sql.unsafe(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'refused'; END $$; ${trigger} EXECUTE FUNCTION refuse()`);
  try {
    await work();
  } finally {
    await world.sql.unsafe('DROP FUNCTION refuse() CASCADE');
  }
}

/** The foreign keys of the catalog's tables, as a restart would read them. */
const foreignKeysNow = async () => {
  const { account, tables } = domain.ctx.catalog;
  return (await inspectForeignKeys(domain.ctx.db, [account, ...tables])).map(describeForeignKey);
};

/** A small account that is accepted and not erased. */
async function acceptedOnly() {
  const s = await subject(world.sql, SMALL);
  const { erasure } = await requestErasure(domain.ctx, { accountKey: [s.account], requestedBy: 'test' });
  return { ...s, erasure };
}

describe('an acceptance that erases', () => {
  it('accepts all the same what only the commit would have refused', async () => {
    const { account, bystander } = await subject(world.sql, SMALL);
    await world.sql.unsafe(`CREATE TABLE late (account_id bigint REFERENCES accounts DEFERRABLE INITIALLY DEFERRED);
      INSERT INTO late VALUES (${account})`);
    const said: unknown[] = [];
    const ctx = {
      ...domain.ctx,
      log: Object.assign(Object.create(domain.ctx.log), { info: (fields: object) => said.push(fields) }),
      catalog: { ...domain.ctx.catalog, references: await foreignKeysNow() },
    };
    try {
      const request = { accountKey: [account], requestedBy: 'test' };
      const { erasure, created } = await requestErasure(ctx, request, { eraseSmall: true });
      expect({ created, state: erasure.state }).toEqual({ created: true, state: 'running' });
      expect(said).toEqual([
        { code: 'database_error', detail: 'SQLSTATE 23503 on public.late (late_account_id_fkey)' },
      ]);
      expect(await rowsOf(world.sql, account)).toMatchObject({ accounts: 1, posts: SMALL, sessions: 0 });
      await world.sql`DELETE FROM late`;
      expect(await eraseNow(ctx, erasure)).toBeNull();
      expect(await rowsOf(world.sql, account)).toMatchObject({ accounts: 0, posts: 0 });
      expect(await rowsOf(world.sql, bystander)).toMatchObject({ accounts: 1 });
    } finally {
      await world.sql`DROP TABLE late`;
    }
  });
});

describe('a slice', () => {
  it('whose count cannot be stored deletes nothing', async () => {
    const s = await subject(world.sql);
    const id = await begin(domain.ctx, s.account);
    const next = await advanceErasure(domain.ctx, id, 1);
    const [chunk] = next.kind === 'dispatch' ? next.dispatch.chunks : [];
    const trigger = `CREATE TRIGGER refuse BEFORE UPDATE ON lethe.chunk FOR EACH ROW
      WHEN (NEW.rows_deleted > OLD.rows_deleted)`;
    await refusing(trigger, async () => {
      const hooks = { proceed: () => true, onSlice: () => {} };
      const erasing = eraseChunk(domain.ctx, chunk?.id as number, new SliceSize(200), hooks);
      await expect(erasing).rejects.toThrow(/^database_error: SQLSTATE P0001/);
      expect((await rowsOf(world.sql, s.account)).posts).toBe(1000);
    });
    expect((await run(domain.ctx, id)).kind).toBe('completed');
    await expectErased(world.sql, s.account, id, s.before);
  });
});

describe('the last transaction', () => {
  it('leaves no trace when it does not commit: no count, no event, no mail', async () => {
    const { account, erasure, before } = await acceptedOnly();
    const trigger = `CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON lethe.event DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW WHEN (NEW.type = 'account.erased')`;
    await refusing(trigger, async () => {
      const was = await everything(world.sql);
      await expect(finishErasure(domain.ctx, erasure, { rows: 500, ms: 5_000 })).rejects.toThrow(/P0001/);
      expect(await everything(world.sql)).toBe(was);
    });
    expect(await eraseNow(domain.ctx, erasure)).toBeNull();
    await expectErased(world.sql, account, erasure.id, before);
  });

  it('looks for new foreign keys before all that it deletes and after it, in one round trip', async () => {
    const { account, erasure } = await acceptedOnly();
    const sent: string[] = [];
    await transaction(domain.ctx.db, { statementMs: 5_000, lockMs: 5_000 }, async (tx) => {
      await findAccount(tx, domain.ctx.catalog.account, [account], 'FOR UPDATE');
      const watched = Object.assign(Object.create(tx), {
        execute: (statement: SQL) => {
          sent.push(new PgDialect().sqlToQuery(statement).sql);
          return tx.execute(statement);
        },
      });
      await eraseRest(watched, domain.ctx, [account], { rows: 500, ms: 5_000, untouched: true });
    });
    const kinds = sent.map(
      (text) => /pg_trigger|DELETE FROM "public"."\w+"|FOR UPDATE|UNION ALL|SET CON\w+/.exec(text)?.[0],
    );
    expect(kinds).toEqual([
      'pg_trigger',
      'DELETE FROM "public"."posts"',
      'DELETE FROM "public"."sessions"',
      'FOR UPDATE',
      'DELETE FROM "public"."feeds"',
      'UNION ALL',
      'DELETE FROM "public"."accounts"',
      'SET CONSTRAINTS',
      'pg_trigger',
    ]);
    // By hand, and without its evidence.
    await world.sql`UPDATE lethe.erasure SET state = 'cancelled' WHERE id = ${erasure.id}`;
  });

  it('adds the rows that it finds to those that went at the request', async () => {
    const { account, erasure, before } = await acceptedOnly();
    await world.sql`INSERT INTO sessions (account_id) VALUES (${account}), (${account}), (${account})`;
    expect(await eraseNow(domain.ctx, erasure)).toBeNull();
    await expectErased(world.sql, account, erasure.id, { ...before, sessions: 5 });
  });

  it('lets no row in while the account goes, which a cascade would delete uncounted', async () => {
    const { account, erasure, before } = await acceptedOnly();
    const [outcome, late] = await whileDeletionsLinger(world, 'accounts', async (begun) => {
      await refuseNewReferences(domain.ctx.db, domain.ctx.catalog);
      const finishing = finishErasure(domain.ctx, erasure, { rows: 500, ms: 5_000 });
      await begun();
      const adding = world.sql`INSERT INTO sessions (account_id) VALUES (${account})`.then(
        () => 'added',
        (error: { code: string }) => error.code,
      );
      return Promise.all([finishing, adding]);
    });
    expect([outcome, late]).toEqual(['completed', '23503']);
    await expectErased(world.sql, account, erasure.id, before);
  });
});
