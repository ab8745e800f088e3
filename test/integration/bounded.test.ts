import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { countRows } from '../../dev/evidence.ts';
import { populate } from '../../dev/reader.ts';
import type { Resources } from '../../src/resources.ts';
import { expectErased } from '../support/evidence.ts';
import { finishedChunks, stateOf } from '../support/progress.ts';
import { accepted } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, type World } from '../support/world.ts';

/** Chunks that one erasure may have out: sixteen times the cluster's concurrency. */
const WINDOW = 16;

let world: World;
let call: Call;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld({
    env: { LETHE_CHUNK_ROWS: '100', LETHE_SLICE_TIME: '10ms', LETHE_GLOBAL_CONCURRENCY: '1', LETHE_CONCURRENCY: '1' },
  });
  call = await world.api();
  domain = await world.domain();
});
afterAll(() => world.close());

const startNow = async (account: string) => (await accepted(call, account, { body: { startNow: true } })).id;

describe('an account with many chunks', () => {
  it('has a window of them in Redis, and a smaller account does not wait for it', async () => {
    const [large, small] = (await populate(world.sql, [
      { email: 'large@example.com', posts: 40_000, feeds: 5 },
      { email: 'small@example.com', posts: 2_000, feeds: 5 },
    ])) as [string, string];
    const before = { large: await countRows(world.sql, large), small: await countRows(world.sql, small) };
    const worker = await world.worker();
    const { chunks } = domain.producers.queues;
    const out: number[] = [];
    const sample = async () => {
      const counts = await chunks.getJobCounts('waiting', 'active', 'prioritized', 'delayed');
      out.push(Object.values(counts).reduce((a, b) => a + b, 0));
    };

    const largeId = await startNow(large);
    await until('the large one is under way', async () => {
      await sample();
      return (await finishedChunks(world.sql, largeId)) >= 10;
    });
    expect(Math.max(...out)).toBeLessThanOrEqual(WINDOW);
    const smallId = await startNow(small);
    await until('the small one is completed', async () => {
      await sample();
      return (await stateOf(world.sql, smallId)) === 'completed';
    });
    expect(await stateOf(world.sql, largeId)).toBe('running');
    expect(await finishedChunks(world.sql, largeId)).toBeLessThan(300);
    expect(Math.max(...out)).toBeLessThanOrEqual(2 * WINDOW);
    expect(Math.max(...out)).toBeGreaterThan(1);

    await until('the large one is completed', async () => (await stateOf(world.sql, largeId)) === 'completed', 180_000);
    await expectErased(world.sql, small, smallId, { ...before.small });
    await expectErased(world.sql, large, largeId, { ...before.large });
    await worker.stop();
  }, 300_000);
});
