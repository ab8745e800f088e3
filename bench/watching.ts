import type { PostgresServer } from '../dev/postgres.ts';
import { measureDataset } from './dataset.ts';
import type { Part } from './parts.ts';
import type { Extras } from './result.ts';

const MILLION = 1_000_000;

/** What is measured of what watches the pipeline. */
export async function measureWatching(server: PostgresServer, part: Part): Promise<NonNullable<Extras['watching']>> {
  const watching: NonNullable<Extras['watching']> = {};
  await part('dataset', 'a day of 1 and of 10 million erasures as a dataset', async () => {
    watching.dataset = await measureDataset(server, [MILLION, 10 * MILLION]);
  });
  return watching;
}
