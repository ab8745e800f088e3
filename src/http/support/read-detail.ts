import type { Context } from '../../erasure/model/context.ts';
import type { Erasure } from '../../erasure/model/states.ts';
import { readAnswers } from '../../erasure/progress/answers.ts';
import { readHistory } from '../../erasure/progress/history.ts';
import { readInterruptions } from '../../erasure/progress/interruptions.ts';
import { readMails, readTasks } from '../../erasure/progress/overview.ts';
import { readProgress } from '../../erasure/progress/status.ts';
import { readWarehouse } from '../../erasure/progress/warehouse.ts';
import { readPaceWords } from '../../pace/current-pace.ts';
import type { DetailView } from './detail.ts';

/** Everything that the page of an erasure tells. The dataset is that of the process's own catalog. */
export async function readDetail(ctx: Context, erasure: Erasure): Promise<Omit<DetailView, 'notice'>> {
  const { db } = ctx;
  const { dataset } = ctx.declared;
  const [progress, tasks, mails, history, interrupted, answers, at, pace] = await Promise.all([
    readProgress(ctx, erasure),
    readTasks(db, erasure.id),
    readMails(db, [erasure.id]),
    readHistory(db, erasure.id),
    readInterruptions(db, erasure.id),
    readAnswers(db, erasure.id),
    dataset ? readWarehouse(db, erasure.id) : null,
    erasure.state === 'running' ? readPaceWords(ctx) : null,
  ]);
  const warehouse = dataset && at ? { dataset, at } : undefined;
  return { erasure, progress, tasks, mails, history, interrupted, answers, warehouse, pace };
}
