import type { KeyValue } from '../../keys/types.ts';
import type { Context } from '../model/context.ts';
import { planTask, type Task } from './plan.ts';

/** Plans what is pending in the lowest stage that is not over: what comes `after` a partner is asked when that has answered. */
export async function planStage(ctx: Context, read: () => Promise<Task[]>, account: KeyValue): Promise<Task[]> {
  for (;;) {
    const tasks = await read();
    const open = tasks.filter((t) => t.state !== 'done' && t.state !== 'retained');
    const stage = Math.min(...open.map((t) => t.stage));
    const pending = open.filter((t) => t.stage === stage && t.state === 'pending');
    if (pending.length === 0) return tasks;
    for (const t of pending) await planTask(ctx, t, account);
    const after = await read();
    // Where there was nothing to ask, the next stage's turn has come.
    if (after.some((t) => t.stage === stage && t.state !== 'done' && t.state !== 'retained')) return after;
  }
}
