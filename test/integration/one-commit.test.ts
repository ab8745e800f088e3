import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { advanceErasure } from '../../src/erasure/advance.ts';
import { eraseChunk } from '../../src/erasure/erase-chunk.ts';
import { finishErasure } from '../../src/erasure/finish.ts';
import { requestErasure } from '../../src/erasure/request.ts';
import { SliceSize } from '../../src/erasure/slice-size.ts';
import { eraseNow } from '../../src/erasure/start.ts';
import type { Resources } from '../../src/resources.ts';
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

/** A small account that is accepted and not erased. */
async function acceptedOnly() {
  const s = await subject(world.sql, SMALL);
  const { erasure } = await requestErasure(domain.ctx, { accountKey: [s.account], requestedBy: 'test' });
  return { ...s, erasure };
}

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

  it('adds the rows that it finds to those that went at the request', async () => {
    const { account, erasure, before } = await acceptedOnly();
    await world.sql`INSERT INTO sessions (account_id) VALUES (${account}), (${account}), (${account})`;
    expect(await eraseNow(domain.ctx, erasure)).toBeNull();
    await expectErased(world.sql, account, erasure.id, { ...before, sessions: 5 });
  });

  it('lets no row in while the account goes, which a cascade would delete uncounted', async () => {
    const { account, erasure, before } = await acceptedOnly();
    const [outcome, late] = await whileDeletionsLinger(world, 'accounts', async (begun) => {
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
