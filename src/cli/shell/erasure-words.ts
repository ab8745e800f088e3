import type { Context } from '../../erasure/model/context.ts';
import type { Erasure } from '../../erasure/model/states.ts';
import { look, type Seen } from '../../erasure/progress/look.ts';
import type { Progress } from '../../erasure/progress/status.ts';
import { duration, number, time } from './format.ts';
import { type Paint, printable } from './terminal.ts';

/** An erasure as it is now, with its progress. */
export const readErasure = async (ctx: Context, id: string): Promise<Seen> => (await look(ctx, id)) as Seen;

const COLOURS: Record<string, 'green' | 'red' | 'grey'> = {
  completed: 'green',
  done: 'green',
  stalled: 'red',
  failed: 'red',
  cancelled: 'grey',
};

/** A state in its colour. */
export const stateIn = (paint: Paint, state: string) => paint(COLOURS[state] ?? 'yellow', state);

/** `45 % (450,000 of 1,000,003 rows), about 2 min left`. */
export function progressWords({ percent, rowsDeleted, rowsPlanned, etaSeconds }: Progress): string {
  if (percent === null) return `not counted yet (${number(rowsDeleted)} rows deleted)`;
  const left = etaSeconds ? `, about ${duration(etaSeconds * 1000)} left` : '';
  return `${percent} % (${number(rowsDeleted)} of ${number(rowsPlanned)} rows)${left}`;
}

/** Since when, by whom and why. */
export const heldWords = (e: Erasure): string =>
  `since ${time(e.heldAt as Date)} by ${printable(e.heldBy ?? '')}: ${printable(e.holdReason ?? '')}`;
