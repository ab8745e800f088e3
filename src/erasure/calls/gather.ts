import { and, eq, inArray } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import { type AskedLocation, isAsked, valuesOf } from '../../locations/asked.ts';
import { type Gathered, takeGathered } from '../../locations/gathered.ts';
import { seal } from '../../partners/seal.ts';
import type { Transaction } from '../../store/client.ts';
import { call, task } from '../../store/schema.ts';
import type { Context } from '../model/context.ts';

/** Keys that one call tells of at most. */
export const KEYS_OF_A_CALL = 1_000;

/** What a call is sealed with. */
type Content = { keys: string[] } | { values: Record<string, string | null> };

/**
 * Writes down whom to tell of the rows that this transaction has deleted, in the same transaction. These calls are asked
 * when their task is planned. Whoever deletes rows calls it once they are gone.
 */
export async function recordGathered(tx: Transaction, ctx: Context, erasureId: string): Promise<void> {
  const gone = takeGathered(tx);
  if (gone.size === 0) return;
  const wanted = ctx.catalog.locations
    .filter(isAsked)
    .map((location) => ({ location, contents: contentsFor(location, gone, ctx.catalog.account.table) }))
    .filter(({ contents }) => contents.length > 0);
  if (wanted.length === 0) return;
  const tasks = await tx
    .select({ id: task.id, location: task.location, pass: task.pass, state: task.state })
    .from(task)
    .where(
      and(
        eq(task.erasureId, erasureId),
        inArray(
          task.location,
          wanted.map(({ location }) => location.name),
        ),
      ),
    );
  for (const { location, contents } of wanted) {
    const of = tasks.find((t) => t.location === location.name);
    if (!of) throw new Error(`${location.name} has no task: what it must be told cannot be kept`);
    await tx
      .insert(call)
      .values(contents.map((content) => sealedCall(ctx, { erasureId, taskId: of.id, location, content })));
    // Rows that came after the end: the partner is asked once more, for these.
    if (of.state === 'done')
      await tx
        .update(task)
        .set({ state: 'pending', pass: of.pass + 1, finishedAt: null })
        .where(eq(task.id, of.id));
  }
}

function contentsFor(location: AskedLocation, gone: ReadonlyMap<string, Gathered>, account: string): Content[] {
  const { each, select, early } = location;
  if (each) {
    const keys = new Set((gone.get(each.location) ?? []).flatMap((row) => row[each.column] ?? []));
    return inPieces([...keys]).map((piece) => ({ keys: piece }));
  }
  const [row] = early || Object.keys(select).length === 0 ? [] : (gone.get(account) ?? []);
  return row ? [{ values: valuesOf(select, row) }] : [];
}

const inPieces = (keys: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(keys.length / KEYS_OF_A_CALL) }, (_, n) =>
    keys.slice(n * KEYS_OF_A_CALL, (n + 1) * KEYS_OF_A_CALL),
  );

type Told = { erasureId: string; taskId: number; location: AskedLocation; content: Content };

function sealedCall({ settings }: Context, { erasureId, taskId, location, content }: Told) {
  const id = uuidv7();
  return {
    id,
    erasureId,
    taskId,
    partner: location.name,
    pass: 0,
    state: 'gathered',
    items: 'keys' in content ? content.keys.length : 1,
    sealed: seal(settings.secrets, id, content),
  };
}
