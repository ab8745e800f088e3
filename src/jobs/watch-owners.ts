import { ownersOf } from '../catalog/live/owners.ts';
import type { Context } from '../erasure/model/context.ts';
import { PATIENCE, type Patience } from '../erasure/watch/follow.ts';
import { keepOwners } from '../erasure/watch/keep-owners.ts';
import { lookAtCanary, lookAtDataset } from '../erasure/watch/look-elsewhere.ts';
import { measureDone, measureOpen } from '../erasure/watch/measure-owners.ts';
import type { Done } from '../erasure/watch/measured.ts';
import { tellDue } from '../erasure/watch/tell-due.ts';
import { type Teller, tellAgainMs } from '../erasure/watch/teller.ts';
import { readClock } from '../store/clock.ts';
import { isContended } from '../store/sql-errors.ts';
import { Duty } from './duty.ts';
import { Failures } from './failures.ts';

const NAME = 'owners';
const TIMES = {
  leaseMs: 30_000,
  tickMs: 10_000,
  /** What is done changes slowly, and costs more to read than what is open. */
  doneMs: 60_000,
  rest: undefined as number | undefined,
  patience: PATIENCE as Patience,
  retryMs: tellAgainMs,
};

type Work = {
  ctx: Pick<Context, 'db' | 'log' | 'declared' | 'settings'>;
  /** Closed when the watching is stopped. */
  teller: Teller;
  publicUrl: string;
};

/**
 * Watches the owners of the catalog, in one process at a time: measures, writes down how it stands, and tells teams. Runs
 * from the start until stopped. `stop` cuts off what is being told, and waits until that is written down.
 */
export function startWatchingOwners(
  { ctx, teller, publicUrl }: Work,
  times: Partial<typeof TIMES> = {},
): { stop: () => Promise<void> } {
  const { leaseMs, tickMs, doneMs, rest, patience, retryMs } = { ...TIMES, ...times };
  const duty = new Duty(ctx.db, NAME, leaseMs, rest);
  let firstLook: Date | undefined;
  let done: { at: number; by: Map<string, Done> | null } | undefined;
  const notWatched = new Failures(ctx.log, 'owners not watched');
  const notDone = new Failures(ctx.log, 'what owners have done not measured');
  const notTold = new Failures(ctx.log, 'owners not told');
  let telling: Promise<void> | undefined;

  /** Null: it takes too long. That must not keep the owners from being watched. */
  const measureDoneOrNull = async () => {
    try {
      const by = await measureDone(ctx.db);
      notDone.end();
      return by;
    } catch (error) {
      if (!isContended(error)) throw error;
      notDone.add(error);
      return null;
    }
  };
  const measure = async () => {
    const { owners = [], canary, dataset } = ctx.declared;
    firstLook ??= await readClock(ctx.db);
    const open = await measureOpen(ctx.db);
    if (!done || performance.now() - done.at >= doneMs) {
      const by = await measureDoneOrNull();
      done = { at: performance.now(), by };
    }
    const troubles = [
      ...(canary ? await lookAtCanary(ctx.db, canary, firstLook) : []),
      ...(dataset ? await lookAtDataset(ctx.db, dataset, ctx.settings) : []),
    ];
    const told = new Set(owners.flatMap(({ owner, notify }) => (notify ? [owner] : [])));
    const look = { owners: ownersOf(ctx.declared), told, open, done: done.by, troubles };
    await keepOwners(ctx.db, look, { patience, publicUrl });
    notWatched.end();
  };
  /** A team whose endpoint hangs must not keep the others from being looked at. */
  const tellTeams = () => {
    telling ??= tellDue(ctx.db, ctx.declared.owners ?? [], { tell: teller.tell, retryMs, isOver: () => duty.stopping })
      .then(
        (told) => {
          notTold.end();
          if (told > 0) ctx.log.info({ told }, 'owners told');
        },
        (error) => notTold.add(error),
      )
      .finally(() => {
        telling = undefined;
      });
  };
  const turn = async () => {
    try {
      if (!(await duty.take())) return;
      if (!duty.resting) await duty.read(measure);
      if (!duty.stopping) tellTeams();
    } catch (error) {
      notWatched.add(error);
      // What takes too long here takes as long in another process: the duty is kept, and rests.
      if (!isContended(error)) await duty.release();
    }
  };
  const running = duty.start(turn, () => tickMs);
  return {
    stop: async () => {
      await Promise.all([running.stop(), teller.close()]);
      await telling;
    },
  };
}
