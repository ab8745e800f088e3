import { inArray, type SQL } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eachErasure } from '../../src/erasure/model/each-erasure.ts';
import { LetheError } from '../../src/errors.ts';
import type { Resources } from '../../src/resources.ts';
import { erasure } from '../../src/store/schema.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;
let lines: unknown[];

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());
beforeEach(() => {
  lines = [];
});

const PAGE = 3;
/** Erasures with these last digits, written in another order than that of their ids. */
async function erasures(count: number): Promise<string[]> {
  await world.sql`TRUNCATE lethe.erasure CASCADE`;
  const ids = Array.from({ length: count }, (_, n) => `01900000-0000-7000-8000-${String(n + 1).padStart(12, '0')}`);
  for (const id of [...ids].reverse())
    await world.sql`INSERT INTO lethe.erasure (id, account_key, state, mode, starts_at, due_at, catalog_digest)
      VALUES (${id}, ${id}, 'scheduled', 'scheduled', now(), now(), 'd')`;
  // So few rows are read as they lie there, not through an index that would put them in order.
  await world.sql`ANALYZE lethe.erasure`;
  return ids;
}

const SCHEDULED = inArray(erasure.state, ['scheduled']) as SQL;
const walk = { where: SCHEDULED, what: 'turn', pageRows: PAGE };
const context = () => {
  const log = {
    ...domain.ctx.log,
    warn: (...line: unknown[]) => lines.push(line),
  } as unknown as Resources['ctx']['log'];
  return { ...domain.ctx, log };
};

describe('each erasure gets its turn', () => {
  it.each([0, 1, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 2 * PAGE + 1])(
    'of %i, once, in the order of ids',
    async (count) => {
      const ids = await erasures(count);
      const seen: string[] = [];
      const done = await eachErasure(context(), walk, async ({ id }) => seen.push(id));
      expect(seen).toEqual(ids);
      expect(done).toBe(count);
    },
  );

  it('although it leaves the set that is walked through, and others enter it', async () => {
    const ids = await erasures(2 * PAGE);
    const seen: string[] = [];
    await eachErasure(context(), walk, async ({ id }) => {
      seen.push(id);
      await world.sql`UPDATE lethe.erasure SET state = 'cancelled' WHERE id = ${id}`;
      await world.sql`UPDATE lethe.erasure SET state = 'scheduled' WHERE id = ${ids[0] as string}`;
    });
    expect(seen).toEqual(ids);
  });

  it('when another throws, which is logged without a value and not counted', async () => {
    const ids = await erasures(2 * PAGE);
    const seen: string[] = [];
    // The last of a page, and one in the middle of the next.
    const bad = [ids[PAGE - 1], ids[PAGE + 1]];
    const done = await eachErasure(context(), walk, async ({ id }) => {
      seen.push(id);
      if (bad.includes(id)) throw new LetheError('contended', 'rows are locked');
    });
    expect(seen).toEqual(ids);
    expect(done).toBe(ids.length - bad.length);
    expect(lines).toEqual(
      bad.map((erasureId) => [{ erasureId, code: 'contended', detail: 'rows are locked' }, 'turn will be tried again']),
    );
  });

  it('at the same time as others, as many as it is told', async () => {
    const ids = await erasures(2 * PAGE + 1);
    let now = 0;
    let most = 0;
    const seen: string[] = [];
    await eachErasure(context(), { ...walk, atOnce: 2 }, async ({ id }) => {
      most = Math.max(most, ++now);
      await world.sql`SELECT 1`;
      seen.push(id);
      now -= 1;
    });
    expect(seen.sort()).toEqual(ids);
    expect(most).toBe(2);
  });

  it('unless it is skipped; null is not counted', async () => {
    const ids = await erasures(PAGE + 1);
    const seen: string[] = [];
    const done = await eachErasure(context(), { ...walk, skip: async ({ id }) => id === ids[1] }, async ({ id }) => {
      seen.push(id);
      return id === ids[0] ? null : id;
    });
    expect(seen).toEqual(ids.filter((id) => id !== ids[1]));
    expect(done).toBe(ids.length - 2);
  });

  it('unless nobody can be asked about it, or the database is away: that ends the walk', async () => {
    const ids = await erasures(2 * PAGE);
    const seen: string[] = [];
    const turn = async ({ id }: { id: string }) => void seen.push(id);
    const away = () => Promise.reject(new Error('Redis is away'));
    await expect(eachErasure(context(), { ...walk, skip: away }, turn)).rejects.toThrow('Redis is away');
    expect(seen).toEqual([]);
    const broken = eachErasure(context(), walk, async (of) => {
      await turn(of);
      throw new LetheError('database_unavailable', 'no answer');
    });
    await expect(broken).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(seen).toEqual([ids[0]]);
  });
});
