import type { Fault, Scene, Undo } from './fault.ts';
import type { Random } from './random.ts';
import { addPast, endDay, type Watched } from './watched.ts';

/** A fault of a run that is watched. */
const fault = (
  name: string,
  what: string,
  act: (watched: Watched, scene: Scene, draw: Random) => Promise<Undo>,
): Fault => ({
  name,
  what,
  on: 'time',
  watched: true,
  do: async (scene, draw) => (scene.watched ? act(scene.watched, scene, draw) : null),
});

/** What happens to test data, to who is told, and to the dataset. */
export const WATCHING_FAULTS: readonly Fault[] = [
  fault('receiver-away', 'the endpoint of the teams that are told refuses connections', async ({ receiver }) => {
    await receiver.shut();
    return () => receiver.open();
  }),
  fault(
    'receiver-fails',
    'the endpoint of the teams takes a message and cuts its answer, never answers, or answers 503',
    async ({ receiver }, _scene, draw) => {
      receiver.failing = draw.pick(['resets', 'hangs', 'unavailable'] as const);
      return async () => {
        receiver.failing = undefined;
      };
    },
  ),
  fault('deadline-passes', 'the deadline of every open task passes', async (_watched, { sql }) => {
    await sql`UPDATE lethe.task SET due_at = now() - interval '1 minute' WHERE finished_at IS NULL`;
    return null;
  }),
  fault('canary-asked', 'a person asks for the erasure of test data', async (_watched, scene) => {
    const [row] = await scene.sql<{ key: string }[]>`
      SELECT account_key AS key FROM lethe.canary WHERE finished_at IS NULL AND account_key IS NOT NULL`;
    if (row) await scene.call('POST', `/v1/accounts/${row.key}/erasure`, { startNow: true }).catch(() => {});
    return null;
  }),
  fault(
    'day-ends',
    'the day ends: what was erased until now belongs to a day that is over',
    async (_watched, { sql }) => {
      await endDay(sql);
      return null;
    },
  ),
  fault(
    'events-late',
    'erasures of a day whose dataset is written come to it later',
    async (_watched, { sql }, draw) => {
      for (let n = draw.integer(1, 3); n > 0; n--) await addPast(sql, draw.pick([1, 2, 3]), draw.integer(1, 20));
      return null;
    },
  ),
  fault('manifest-lost', 'the dataset loses the manifest of a day', async ({ dataset }, _scene, draw) => {
    const days = dataset.days();
    if (days.length > 0) dataset.loseManifest(draw.pick(days));
    return null;
  }),
  fault('dataset-away', 'the folder or the bucket of the dataset is away', async ({ dataset }) => dataset.goAway()),
];
