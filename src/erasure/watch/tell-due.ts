import { sql } from 'drizzle-orm';
import type { DeclaredOwner } from '../../catalog/live/declared.ts';
import type { Database } from '../../store/client.ts';
import type { OwnerState } from './measured.ts';
import type { OwnerMessage } from './message.ts';

/**
 * What came of one try. `taken`: the team has it. `refused`: it has not. `unknown`: it may have it. `words` hold nothing
 * of the message and of the answer but its status.
 */
export type Tried = { kind: 'taken' | 'refused' | 'unknown'; words: string; afterMs?: number };

/** Tells one team. Never rejects. */
export type TellOwner = (notify: NonNullable<DeclaredOwner['notify']>, message: OwnerMessage) => Promise<Tried>;

/** Longer than a try takes. A message whose process ended in the middle of it is tried again then. */
const LEASE = sql.raw("interval '1 minute'");

/** No message waits so long. The time of one that does was written by a clock that was ahead. */
const LONGER_THAN_ANY_WAIT = sql.raw("interval '1 hour'");

/** Teams that are told at once. */
const AT_ONCE = 4;

type Due = { name: string; message: OwnerMessage; attempts: number; unsure: boolean };

/**
 * Tells the teams whose message is due, each once: a worker claims a message before it sends it. The claim also writes
 * down what may be known from now on. Whoever finds it after a kill sends the same message again, under the same id. An
 * owner that looks well at the moment is not told that it is not. Returns how many were told.
 */
export async function tellDue(
  db: Database,
  owners: readonly DeclaredOwner[],
  { tell, retryMs, isOver }: { tell: TellOwner; retryMs: (attempts: number) => number; isOver: () => boolean },
): Promise<number> {
  const ways = new Map(owners.flatMap(({ owner, notify }) => (notify ? [[owner, notify] as const] : [])));
  if (ways.size === 0) return 0;
  let told = 0;
  const turn = async () => {
    while (!isOver()) {
      const due = await claim(db, [...ways.keys()]);
      if (!due) return;
      const tried = await tell(ways.get(due.name) as NonNullable<DeclaredOwner['notify']>, due.message);
      await record(db, due, tried, retryMs);
      if (tried.kind === 'taken') told++;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ways.size) }, turn));
  return told;
}

async function claim(db: Database, names: readonly string[]): Promise<Due | undefined> {
  const [due] = await db.execute<Due>(sql`
    UPDATE lethe.owner o SET attempts = o.attempts + 1, next_at = now() + ${LEASE},
           tried_state = o.message #>> '{data,state}'
      FROM (SELECT name, tried_state FROM lethe.owner
             WHERE name = ANY(${sql.param(names)}::text[]) AND message_id IS NOT NULL
               AND (next_at <= now() OR next_at > now() + ${LONGER_THAN_ANY_WAIT})
               AND (calm_since IS NULL OR state = 'well')
             ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS was
     WHERE o.name = was.name
    RETURNING o.name, o.message, o.attempts, was.tried_state IS NOT NULL AS unsure`);
  return due;
}

/** Nothing is written where another message has taken its place: that one knows what this one may have told. */
async function record(
  db: Database,
  { name, message, attempts, unsure }: Due,
  tried: Tried,
  retryMs: (attempts: number) => number,
): Promise<void> {
  const state: OwnerState = message.data.state;
  const mine = sql`name = ${name} AND message_id = ${message.id}`;
  if (tried.kind === 'taken')
    await db.execute(sql`
      UPDATE lethe.owner SET told_state = ${state}, told_at = now(), message_id = NULL, message = NULL,
             tried_state = NULL, next_at = NULL, attempts = 0, last_words = NULL WHERE ${mine}`);
  else {
    const wait = Math.max(retryMs(attempts), tried.afterMs ?? 0);
    await db.execute(sql`
      UPDATE lethe.owner SET next_at = now() + ${wait} * interval '1 millisecond', last_words = ${tried.words.slice(0, 500)},
             tried_state = CASE WHEN ${tried.kind === 'unknown' || unsure} THEN tried_state END WHERE ${mine}`);
  }
}
