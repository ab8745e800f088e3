import type { KeyValue } from '../../keys/types.ts';
import { isAsked } from '../../locations/asked.ts';
import type { Context } from '../model/context.ts';
import { type Dispatch, dispatchWindow } from '../model/dispatch.ts';
import type { Erasure } from '../model/states.ts';
import { readTasks } from './next-window.ts';
import { planStage } from './plan-stage.ts';

/** While partners are awaited a step looks again after so long; the last answer brings one at once. */
const LOOK_AGAIN_MS = 10 * 60_000;

/** Names of the partners that are asked before anything is deleted. */
export const earlyNames = ({ catalog }: Pick<Context, 'catalog'>): ReadonlySet<string> =>
  new Set(catalog.locations.filter((l) => isAsked(l) && l.early).map((l) => l.name));

/**
 * Asks the partners that a table or the account waits for. Returns the step that looks again while answers are outstanding.
 * `dispatch` is null when somebody else goes on. Undefined: none is outstanding, and deleting may begin.
 */
export async function askEarly(
  ctx: Context,
  running: Erasure,
  account: KeyValue,
): Promise<{ dispatch: Dispatch | null } | undefined> {
  const names = earlyNames(ctx);
  if (names.size === 0) return undefined;
  const ours = async () => (await readTasks(ctx, running)).filter((t) => names.has(t.location));
  // What would stop the erasure later is found before anybody outside is told.
  if ((await ours()).some((t) => t.state === 'pending'))
    for (const kind of Object.values(ctx.kinds)) await kind.look(ctx, account, { begun: false });
  const tasks = await planStage(ctx, ours, account);
  if (tasks.every((t) => t.state === 'done' || t.state === 'retained')) return undefined;
  return { dispatch: await dispatchWindow(ctx, running, [], { delayMs: LOOK_AGAIN_MS }) };
}
