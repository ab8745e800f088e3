import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayOf } from '../../src/dataset/days.ts';
import { createEnqueue } from '../../src/jobs/enqueue.ts';
import { reconcile } from '../../src/jobs/reconcile.ts';
import type { Resources } from '../../src/resources.ts';
import { datasetFolder, recordErased } from '../support/dataset.ts';
import { SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const HOUR_MS = 3_600_000;
const daysAgo = (n: number) => dayOf(Date.now() - n * 24 * HOUR_MS);
const day = daysAgo(1);
/** Once a day, an hour ago. */
const CRON = `0 ${new Date(Date.now() - HOUR_MS).getUTCHours()} * * *`;

const dataset = datasetFolder();
let world: World;
let domain: Resources;

beforeAll(async () => {
  const catalog = `${READER_CATALOG}\ndataset: { owner: warehouse, folder: ${JSON.stringify(dataset.folder)} }\n`;
  world = await createWorld({ catalog, env: { LETHE_DATASET_CRON: CRON } });
  domain = await world.domain();
  // The first event of all: days since then are due.
  await recordErased(world.sql, [{ key: 'first', at: `${daysAgo(2)}T12:00:00Z` }]);
});
afterAll(async () => {
  await world.close();
  rmSync(dataset.folder, { recursive: true, force: true });
});

const keysOf = (of: string) => dataset.lines(of).map(({ key }) => key);
const doneAt = async () =>
  (await world.sql`SELECT done_at FROM lethe.duty WHERE name = 'dataset'`)[0]?.done_at as unknown;

describe('the job of the dataset', () => {
  it('comes again when Redis has lost it, for one process, until a run has come to its end', async () => {
    const { ctx, producers } = domain;
    const { put } = createEnqueue(producers, ctx.log);
    const look = async () => (await reconcile({ ctx, put, isLive: async () => true })).datasets as number;
    const later = () =>
      world.sql`UPDATE lethe.duty SET held_until = now() - interval '1 second' WHERE name = 'dataset'`;
    const waiting = () => producers.queues.dataset.getWaitingCount();

    const found = await Promise.all([look(), look(), look()]);
    expect(found.sort()).toEqual([0, 0, 1]);
    expect(await waiting()).toBe(1);
    await producers.queues.dataset.obliterate({ force: true });
    // It may only have to wait: not at once.
    expect(await look()).toBe(0);
    await later();
    expect(await look()).toBe(1);
    expect(await waiting()).toBe(1);
    await producers.queues.dataset.obliterate({ force: true });
    expect(await doneAt()).toBeNull();

    await later();
    const worker = await world.worker();
    await until('the run is remembered', async () => (await doneAt()) instanceof Date);
    expect(keysOf(daysAgo(2))).toEqual(['first']);
    await worker.stop();
    await later();
    expect(await look()).toBe(0);
    await world.sql`UPDATE lethe.duty SET done_at = done_at - interval '1 day' WHERE name = 'dataset'`;
    expect(await look()).toBe(1);
  });

  it('has a worker build a day, with the names of the places that were erased', async () => {
    const call = await world.api();
    const { account } = await subject(world.sql, SMALL);
    const { status, body } = await call('POST', `/v1/accounts/${account}/erasure`);
    expect(status).toBe(200);
    const [event] = await world.sql`
      UPDATE lethe.event SET at = ${`${day}T15:00:00Z`} WHERE erasure_id = ${body.id as string} AND type = 'account.erased'
      RETURNING data`;
    expect(event?.data).toMatchObject({ locations: ['posts', 'sessions', 'feeds', 'accounts'] });
    await world.worker({ LETHE_DATASET_CRON: '* * * * * *' });
    await until('the account stands in its day', () => keysOf(day).includes(String(account)));
    expect(dataset.lines(day)).toEqual([
      expect.objectContaining({ key: String(account), outcome: 'erased', locations: event?.data.locations }),
    ]);
  });
});
