import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cancelErasure } from '../../src/erasure/accept/cancel.ts';
import { estimateErasure } from '../../src/erasure/accept/estimate.ts';
import { findRecorded } from '../../src/erasure/accept/find-recorded.ts';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { startErasure } from '../../src/erasure/accept/start.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { markEarlier } from '../../src/erasure/model/newer-account.ts';
import { findErasure } from '../../src/erasure/model/states.ts';
import { listErasures } from '../../src/erasure/progress/list.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { readTasks } from '../../src/erasure/steps/next-window.ts';
import { planTask } from '../../src/erasure/steps/plan.ts';
import { canonicalKey } from '../../src/keys/canonical.ts';
import { encodeKey } from '../../src/keys/encode.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { accountDigest, accountDigests } from '../../src/tokens.ts';
import { ledger } from '../support/evidence.ts';
import { columns, member, rowsOfMember, withMembers } from '../support/members.ts';
import { run } from '../support/run-by-hand.ts';
import { subject } from '../support/subject.ts';
import { createWorld, SECRET, type World } from '../support/world.ts';

let world: World;
let domain: Resources;
/** Erases members, whose key is (tenant, id). */
let ctx: Context;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
  ctx = await withMembers(world.sql, domain.ctx);
});
afterAll(() => world.close());

const NONE = { members: 0, devices: 0, notes: 0, shelves: 0, books: 0 };
const ALL = { members: 1, devices: 2, shelves: 2, books: 3 };
const asked = { requestedBy: 'test' };

/** A member, and others who have one half of the key each. */
async function members(notes: number) {
  const tenant = randomUUID();
  const [other, ...ids] = [randomUUID(), '7', '77'] as const;
  for (const [t, id] of [
    [tenant, ids[0]],
    [tenant, ids[1]],
    [other, ids[0]],
  ] as const)
    await member(world.sql, t, id, notes);
  const untouched = async () => {
    expect(await rowsOfMember(world.sql, tenant, ids[1])).toEqual({ ...ALL, notes });
    expect(await rowsOfMember(world.sql, other, ids[0])).toEqual({ ...ALL, notes });
  };
  return { tenant, id: ids[0], text: `${tenant},7`, spelt: [tenant.toUpperCase(), '007'], untouched };
}

describe('the canonical text of a key', () => {
  const print = (key: string[], ...of: [string, string][]) => canonicalKey(ctx.db, columns(...of), key);
  const upper = '0192D3C4-AAAA-7BBB-8CCC-00000000000F';

  it('of one column is what the database prints', async () => {
    expect(await print(['007'], ['id', 'bigint'])).toBe('7');
    expect(await print(['-0'], ['id', 'smallint'])).toBe('0');
    expect(await print([upper], ['id', 'uuid'])).toBe(upper.toLowerCase());
    expect(await print(['a,b%2C'], ['id', 'text'])).toBe('a,b%2C');
  });

  it('of several columns is that of each, encoded', async () => {
    const key: [string, string][] = [
      ['tenant', 'uuid'],
      ['id', 'integer'],
    ];
    expect(await print([upper, '007'], ...key)).toBe(`${upper.toLowerCase()},7`);
  });

  it('is the same whether the database or this process encodes it', async () => {
    const part = fc.oneof(fc.string({ unit: fc.constantFrom(...',%25Cc2"\\{}ab') }), fc.string());
    const key = fc.array(part, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(key, async (parts) => {
        const printed = await print(parts, ...parts.map((_, i): [string, string] => [`k${i}`, 'text']));
        expect(printed).toBe(encodeKey(parts));
      }),
      { numRuns: 200 },
    );
  });
});

describe('an account with a key of two columns', () => {
  it('is erased range by range, whoever else has one half of its key', async () => {
    const { tenant, id, text, spelt, untouched } = await members(620);
    expect(await estimateErasure(ctx, spelt)).toMatchObject({ accountId: text, mode: 'scheduled', rows: 628 });
    const { erasure, created } = await requestErasure(ctx, { accountKey: spelt, ...asked });
    expect(created).toBe(true);
    expect(erasure).toMatchObject({ accountKey: text, accountDigest: accountDigest([SECRET], text) });
    expect(await rowsOfMember(world.sql, tenant, id)).toEqual({ ...ALL, devices: 0, notes: 620 });

    // Whatever its spelling it is the same account.
    for (const accountKey of [spelt, [tenant, '7'], [tenant, '+7']]) {
      const again = await requestErasure(ctx, { accountKey, ...asked });
      expect(again).toMatchObject({ created: false, erasure: { id: erasure.id } });
      expect((await findRecorded(ctx, { accountKey, ...asked }))?.id).toBe(erasure.id);
    }

    await startErasure(ctx, erasure.id);
    expect(await run(ctx, erasure.id)).toEqual({ kind: 'completed' });
    expect(await rowsOfMember(world.sql, tenant, id)).toEqual(NONE);
    expect(await ledger(world.sql, erasure.id)).toEqual({ ...ALL, notes: 620 });
    const [chunks] = await world.sql`
      SELECT count(*)::int AS n FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
       WHERE t.erasure_id = ${erasure.id} AND c.pass > 0`;
    expect(chunks?.n).toBe(7 + 1 + 1);
    await untouched();

    expect((await requestErasure(ctx, { accountKey: spelt, ...asked })).erasure).toMatchObject({ id: erasure.id });
    const filter = { accountKey: text, accountDigests: accountDigests([SECRET], text) };
    const { erasures } = await listErasures(ctx.db, filter, { limit: 5 });
    expect(erasures.map((e) => e.id)).toEqual([erasure.id]);
    expect(await markEarlier(ctx, text, erasures)).toMatchObject([{ newerAccountAt: null }]);
    await member(world.sql, tenant, id, 1);
    expect(await markEarlier(ctx, text, erasures)).toMatchObject([{ newerAccountAt: expect.any(Date) }]);
  });

  it('is erased by its acceptance when it is small', async () => {
    const { tenant, id, text, spelt, untouched } = await members(3);
    const { erasure } = await requestErasure(ctx, { accountKey: spelt, ...asked }, { eraseSmall: true });
    expect(erasure).toMatchObject({ accountKey: text, state: 'completed' });
    expect(await rowsOfMember(world.sql, tenant, id)).toEqual(NONE);
    expect(await ledger(world.sql, erasure.id)).toEqual({ ...ALL, notes: 3 });
    await untouched();
  });

  it('is undone by its key', async () => {
    const { tenant, id, spelt } = await members(20);
    const { erasure } = await requestErasure(ctx, { accountKey: spelt, ...asked });
    const flags = () => world.sql`SELECT id FROM members WHERE tenant = ${tenant} AND erasure_requested_at IS NOT NULL`;
    expect(await flags()).toEqual([{ id }]);
    expect((await cancelErasure(ctx, erasure)).state).toBe('cancelled');
    expect(await flags()).toEqual([]);
  });

  it('is not there for who has half of its key, and no statement fails', async () => {
    const { tenant } = await members(1);
    await expect(requestErasure(ctx, { accountKey: [tenant, '8'], ...asked })).rejects.toThrow(/^not_found/);
  });

  it('is not mistaken for that of a table with another key', async () => {
    const { account } = await subject(world.sql, 1);
    const { erasure } = await requestErasure(domain.ctx, { accountKey: [account], ...asked });
    expect(erasure.accountKey).toBe(account);
    await expect(run(ctx, erasure.id)).resolves.toMatchObject({ kind: 'stalled', error: { code: 'catalog_invalid' } });
    expect((await findErasure(ctx.db, erasure.id))?.state).toBe('stalled');
  });
});

/** One row a slice. */
class OneRow extends SliceSize {
  override for(): number {
    return 1;
  }
}

describe('a chunk of a location with a key of two columns', () => {
  it('is finished at its own last key, not at another one that reads the same with commas', async () => {
    const tenant = randomUUID();
    await member(world.sql, tenant, '7', 20);
    const { erasure } = await requestErasure(ctx, { accountKey: [tenant, '7'], ...asked });
    await startErasure(ctx, erasure.id);
    const task = (await readTasks(ctx, erasure)).find((t) => t.location === 'shelves');
    if (!task) throw new Error('no task');
    await world.sql`DELETE FROM books WHERE tenant = ${tenant}`;
    await planTask(ctx, task, [tenant, '7']);
    const chunks = await world.sql<{ id: string; upper: string[] }[]>`
      SELECT id, upper FROM lethe.chunk WHERE task_id = ${task.id}`;
    expect(chunks.map((c) => c.upper)).toEqual([[`${tenant} 7,b`, 'c']]);

    const slices: number[] = [];
    const hooks = { proceed: () => true, onSlice: ({ rows }: { rows: number }) => void slices.push(rows) };
    expect(await eraseChunk(ctx, Number(chunks[0]?.id), new OneRow(200), hooks)).toBe('finished');
    expect(await rowsOfMember(world.sql, tenant, '7')).toMatchObject({ shelves: 0 });
    expect(slices).toEqual([1, 1]);
  });
});
