import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestErasure } from '../../src/erasure/accept/request.ts';
import { startErasure } from '../../src/erasure/accept/start.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { eraseChunk } from '../../src/erasure/steps/erase-chunk.ts';
import { readTasks } from '../../src/erasure/steps/next-window.ts';
import { planTask } from '../../src/erasure/steps/plan.ts';
import type { KeyColumns, KeyType } from '../../src/keys/types.ts';
import { SliceSize } from '../../src/pace/slice-size.ts';
import type { Resources } from '../../src/resources.ts';
import { subject } from '../support/subject.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

/** The catalog's language has no such type yet. The code must not depend on that. */
const text = (...names: string[]) => names.map((name) => ({ name, type: 'text' as KeyType })) as unknown as KeyColumns;

/** One row a slice. */
class OneRow extends SliceSize {
  override for(): number {
    return 1;
  }
}

describe('a chunk of a location with a key of two columns', () => {
  it('is finished at its own last key, not at another one that reads the same with commas', async () => {
    await world.sql`CREATE TABLE labels (account_id bigint NOT NULL, shelf text, label text,
      PRIMARY KEY (shelf, label), UNIQUE (account_id, shelf, label))`;
    const { account } = await subject(world.sql, 1);
    await world.sql`INSERT INTO labels VALUES (${account}, 'a', 'b,c'), (${account}, 'a,b', 'c')`;
    const [posts] = domain.ctx.catalog.locations.filter((l) => l.name === 'posts');
    if (!posts) throw new Error('no posts');
    const labels = { ...posts, table: 'labels', name: 'labels', key: text('shelf', 'label'), children: [] };
    const ctx: Context = { ...domain.ctx, catalog: { ...domain.ctx.catalog, locations: [labels] } };

    const { erasure } = await requestErasure(ctx, { accountKey: [account], requestedBy: 'test' });
    await world.sql`UPDATE lethe.erasure SET state = 'scheduled' WHERE id = ${erasure.id}`;
    await startErasure(ctx, erasure.id);
    for (const task of await readTasks(ctx, erasure)) await planTask(ctx, task, [account]);
    const chunks = await world.sql<{ id: string; upper: string[] }[]>`
      SELECT c.id, c.upper FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id WHERE t.erasure_id = ${erasure.id}`;
    expect(chunks.map((c) => c.upper)).toEqual([['a,b', 'c']]);

    const slices: number[] = [];
    const hooks = { proceed: () => true, onSlice: ({ rows }: { rows: number }) => void slices.push(rows) };
    expect(await eraseChunk(ctx, Number(chunks[0]?.id), new OneRow(200), hooks)).toBe('finished');
    expect(await world.sql`SELECT shelf, label FROM labels`).toEqual([]);
    expect(slices).toEqual([1, 1]);
  });
});
