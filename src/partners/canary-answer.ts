import type { z } from 'zod';
import { explain, readJson } from './answer.ts';
import { lookedSchema, plantedSchema } from './canary.ts';
import type { Answered } from './request.ts';

/** What came of planting. `words` hold nothing of the answer but its status. */
export type PlantedThere =
  | { readonly kind: 'planted'; readonly items: number; readonly words: string }
  | { readonly kind: 'later'; readonly words: string };

/** What came of looking. */
export type LookedThere = { readonly kind: 'absent' | 'present' | 'unknown'; readonly words: string };

/** What an answer to a message that plants says of it. */
export function readPlanted(answer: Answered, task: string): PlantedThere {
  const read = readStatus(answer, task, plantedSchema, 'planted');
  if ('problem' in read) return { kind: 'later', words: read.problem };
  const { items = 1 } = read.said;
  return { kind: 'planted', items, words: `planted ${items} ${items === 1 ? 'item' : 'items'} (200)` };
}

/** What an answer to a message that looks says. Only an answer that says so means absent, or present. */
export function readLooked(answer: Answered, task: string): LookedThere {
  const read = readStatus(answer, task, lookedSchema, 'absent or present');
  if ('problem' in read) return { kind: 'unknown', words: read.problem };
  const { status } = read.said;
  return { kind: status, words: status === 'absent' ? 'has nothing of it (200)' : 'still has it (200)' };
}

/** A `200` counts when its JSON echoes the task and has one of the statuses; `expected` are these in words. */
function readStatus<T extends { task: string }>(
  answer: Answered,
  task: string,
  schema: z.ZodType<T>,
  expected: string,
): { said: T } | { problem: string } {
  if (answer.status !== 200) return { problem: explain(answer) };
  const body = readJson(answer);
  if ('problem' in body) return { problem: body.problem };
  const read = schema.safeParse(body.said);
  if (read.success && read.data.task === task) return { said: read.data };
  return { problem: `answered 200 without the id of the task and the status ${expected}` };
}
