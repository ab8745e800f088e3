import { and, asc, eq, inArray, isNull, ne, sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { appendEvent } from '../../events/append.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { chunk, erasure, task } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import type { Erasure } from '../model/states.ts';
import type { Task } from './plan.ts';

/** Verification passes before an account counts as still being written. */
export const MAX_PASSES = 5;
/** Dispatches of a chunk without any progress before its task fails. */
const MAX_DISPATCHES = 20;

/** The tasks of an erasure's locations, in the order of their stages. */
export const readTasks = (ctx: Context, running: Erasure): Promise<Task[]> =>
  ctx.db
    .select()
    .from(task)
    .where(and(eq(task.erasureId, running.id), ne(task.kind, 'account')))
    .orderBy(asc(task.stage), asc(task.location));

/** The unfinished chunks of the lowest open stage, at most a window; tasks without any are done. */
export async function nextWindow(ctx: Context, tasks: readonly Task[]) {
  const open = tasks.filter((t) => t.state === 'running');
  for (const stage of new Set(open.map((t) => t.stage))) {
    const ids = open.filter((t) => t.stage === stage).map((t) => t.id);
    const chunks = await ctx.db
      .select({
        id: chunk.id,
        taskId: chunk.taskId,
        dispatches: chunk.dispatches,
        pass: chunk.pass,
        range: chunk.number,
        rows: chunk.rowsPlanned,
      })
      .from(chunk)
      .where(and(inArray(chunk.taskId, ids), isNull(chunk.finishedAt)))
      .orderBy(asc(chunk.taskId), asc(chunk.pass), asc(chunk.number))
      .limit(ctx.settings.windowChunks);
    const exhausted = chunks.find((c) => c.dispatches >= MAX_DISPATCHES);
    if (exhausted)
      throw new LetheError(
        'chunk_exhausted',
        `chunk ${exhausted.id} made no progress in ${MAX_DISPATCHES} dispatches`,
        { taskId: exhausted.taskId },
      );
    if (chunks.length > 0) {
      const names = new Map(open.map((t) => [t.id, t.location]));
      return chunks.map(({ taskId, ...c }) => ({ ...c, location: names.get(taskId) as string }));
    }
    await ctx.db
      .update(task)
      .set({ state: 'done', finishedAt: sql`now()` })
      .where(and(inArray(task.id, ids), eq(task.state, 'running')));
  }
  return [];
}

/** Rows appeared behind the cursors: plans the locations that hold them once more. Null: somebody else goes on. Throws `still_written`. */
export async function startPass(ctx: Context, running: Erasure, locations: string[]): Promise<Dispatch | null> {
  if (running.passes >= MAX_PASSES) {
    throw new LetheError(
      'still_written',
      `after ${running.passes} verification passes rows remain in ${locations.join(', ')}`,
      { locations },
    );
  }
  const pass = running.pass + 1;
  const claimed = await transaction(ctx.db, OWN_TABLES, async (tx) => {
    const rows = await tx
      .update(erasure)
      .set({ pass, passes: running.passes + 1 })
      .where(
        and(
          eq(erasure.id, running.id),
          eq(erasure.state, running.state),
          eq(erasure.step, running.step),
          eq(erasure.pass, running.pass),
        ),
      )
      .returning({ id: erasure.id });
    if (rows.length === 0) return false;
    await tx
      .update(task)
      .set({ state: 'pending', pass, finishedAt: null })
      .where(and(eq(task.erasureId, running.id), inArray(task.location, locations)));
    await appendEvent(tx, running.id, 'pass.started', { pass, locations });
    return true;
  });
  return claimed ? dispatchWindow(ctx, running) : null;
}
