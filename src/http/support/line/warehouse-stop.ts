import type { DeclaredDataset } from '../../../catalog/live/declared.ts';
import { dueAtOf, endOf } from '../../../dataset/days.ts';
import { type Erasure, isFinal } from '../../../erasure/model/states.ts';
import type { InWarehouse } from '../../../erasure/progress/warehouse.ts';
import { momentWords, spanWords } from '../words/moments.ts';
import type { Far, Stop } from './stop.ts';

/** What the catalog says of the dataset, and how far the erasure is on its way into it. */
export type Warehouse = { dataset: Pick<DeclaredDataset, 'owner' | 'sla'>; at: InWarehouse };

type Standing = { far: Far; state: string; since?: Date; next?: string; about?: string };

/** The task of the warehouse, which no call reaches. Null for an erasure that never gets to the dataset. */
export function warehouseStop(e: Erasure, { dataset, at }: Warehouse, now: Date): Stop | null {
  if (at.erasedAt === null && isFinal(e.state)) return null;
  const dueAt = at.erasedAt && new Date(dueAtOf(at.day, dataset.sla));
  const { far, state, since, next, about } = standingOf(e, { dataset, at }, dueAt, now);
  return {
    name: 'Offline dataset',
    note: '',
    owner: dataset.owner,
    far,
    state,
    since: since ?? null,
    tries: 0,
    next: next ?? null,
    dueAt,
    late: far !== 'over' && dueAt !== null && dueAt < now,
    about: about === undefined ? [] : [about],
    error: null,
  };
}

function standingOf(e: Erasure, { dataset, at }: Warehouse, dueAt: Date | null, now: Date): Standing {
  const { erasedAt, day, dayEnded, partition } = at;
  if (erasedAt === null || dueAt === null)
    return {
      far: 'ahead',
      state: 'Waits for the account’s end',
      about: `Due ${spanWords(dataset.sla)} after the end of that day`,
    };
  if (partition) {
    const { revision, keys, builtAt } = partition;
    const about = keys ? {} : { about: 'That day was written again without the accounts’ keys: they are forgotten' };
    return { far: 'over', state: `In dt=${day}, revision ${revision}`, since: builtAt, ...about };
  }
  // What was forgotten before the first build is in no day that is written now.
  if (e.scrubbedAt) return { far: 'over', state: 'In no day: forgotten before one was written' };
  if (!dayEnded) {
    const end = new Date(endOf(day));
    return { far: 'waits', state: 'Waits for the day to end', since: erasedAt, next: `after ${momentWords(end, now)}` };
  }
  const next = 'at the next build';
  return dueAt < now
    ? { far: 'failed', state: 'Late', since: dueAt, next, about: `dt=${day} is not written` }
    : { far: 'waits', state: `Waits for dt=${day} to be written`, since: erasedAt, next };
}
