import type { PostgresServer } from '../dev/postgres.ts';
import { measureCanaryShare } from './canary-share.ts';
import { measureDataset } from './dataset.ts';
import type { Part } from './parts.ts';
import type { Extras } from './result.ts';
import { measureSabotage } from './sabotage.ts';
import { measureScrapes } from './scrapes.ts';

const MILLION = 1_000_000;

/** What is measured of what watches the pipeline. */
export async function measureWatching(
  server: PostgresServer,
  part: Part,
  say: (line: string) => void,
): Promise<NonNullable<Extras['watching']>> {
  const watching: NonNullable<Extras['watching']> = {};
  await part('dataset', 'a day of 1 and of 10 million erasures as a dataset', async () => {
    watching.dataset = await measureDataset(server, [MILLION, 10 * MILLION]);
  });
  await part('canary', 'test data beside a thousand accounts', async () => {
    watching.canary = await measureCanaryShare(server);
  });
  await part('scrapes', 'a hundred scrapes', async () => {
    watching.scrapes = await measureScrapes(server);
  });
  await part('sabotage', 'four sabotages, and when each is reported', async () => {
    watching.sabotage = await measureSabotage(server, say);
  });
  return watching;
}
