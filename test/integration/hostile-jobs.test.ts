import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkCatalog } from '../../src/catalog/check.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import { QUEUES } from '../../src/jobs/redis/queues.ts';
import type { Resources } from '../../src/resources.ts';
import { application, CATALOG } from '../support/application.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

/** Names that every object has: whoever may write to Redis, or writes the catalog, may choose them. */
const INHERITED = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf'];
let world: World;
let domain: Resources;
let metrics: () => Promise<string>;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
  const { metricsPort } = await world.worker({ LETHE_METRICS_PORT: '0' });
  metrics = async () => (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
});
afterAll(() => world.close());

describe('a job of a name that is in no contract', () => {
  it.each([...INHERITED, 'erasure.of-everything'])(
    'such as %s fails for good at once, and is no label',
    async (name) => {
      const queue = domain.producers.queues.housekeeping;
      const added = await queue.add(name, {}, { attempts: 5 });
      const failed = await until('it has failed', async () => {
        return (await added.isFailed()) && queue.getJob(added.id as string);
      });
      expect([failed.failedReason, failed.attemptsMade]).toEqual(['invalid job name', 1]);
      expect(await metrics()).toMatch(/^lethe_jobs_total\{name="unknown",outcome="failed"\} \d+$/m);
      expect(await metrics()).not.toContain(`name="${name}"`);
    },
  );
});

describe('a worker', () => {
  it.each(QUEUES)('consumes the queue %s', async (name) => {
    const added = await domain.producers.queues[name].add('nobody.knows', {});
    await until('it has run', () => added.isFailed());
  });
});

describe('a catalog that names a column', () => {
  it.each(INHERITED)('%s, which the table has not, is refused', async (column) => {
    const catalog = CATALOG.replace('locations:', `locations:\n  # ${column}`).replace(
      /account: account_id/,
      `account: ${column}`,
    );
    const { file } = await application(world, '', catalog);
    await expect(checkCatalog(domain.connection.db, loadCatalog(file))).rejects.toMatchObject({
      problems: expect.arrayContaining([expect.stringMatching(`has no column "?${column}"?$`)]),
    });
  });
});
