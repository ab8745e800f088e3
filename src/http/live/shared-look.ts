import type { Context } from '../../erasure/model/context.ts';
import { look, type Seen } from '../../erasure/progress/look.ts';

/** `look` of erasure/progress, shared by all who ask at the same time. */
export type SharedLook = (id: string) => Promise<Seen | null>;

type Turn = { running: Promise<Seen | null>; next: Promise<Seen | null> | undefined };

/**
 * However many ask for one erasure at once, only one statement at a time reads it. A request that comes while one runs
 * waits for the next statement, which has not begun. So everybody gets what stood there when they asked or later, and
 * never misses what they have just done themselves.
 */
export function createSharedLook(ctx: Context): SharedLook {
  const turns = new Map<string, Turn>();

  const start = (id: string): Promise<Seen | null> => {
    const turn: Turn = { running: look(ctx, id), next: undefined };
    turns.set(id, turn);
    const ended = () => {
      if (!turn.next) turns.delete(id);
    };
    turn.running.then(ended, ended);
    return turn.running;
  };

  return (id) => {
    const turn = turns.get(id);
    if (!turn) return start(id);
    const begin = () => start(id);
    turn.next ??= turn.running.then(begin, begin);
    return turn.next;
  };
}

/** `read`, once at a time and not again within `ms`, however many ask. A failure is not kept. */
export function keptFor<T>(ms: number, read: () => Promise<T>): () => Promise<T> {
  let kept: Promise<T> | undefined;
  let until = 0;
  return () => {
    if (kept && performance.now() < until) return kept;
    until = Number.POSITIVE_INFINITY;
    const reading = read();
    kept = reading;
    reading.then(
      () => {
        until = performance.now() + ms;
      },
      () => {
        kept = undefined;
      },
    );
    return reading;
  };
}
