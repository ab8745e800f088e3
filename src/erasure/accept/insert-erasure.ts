import { is, SQL, sql } from 'drizzle-orm';
import { v7 as uuidv7 } from 'uuid';
import type { Catalog } from '../../catalog/live/types.ts';
import { eventsFrom, type Happened, happenedInOrder } from '../../events/append.ts';
import { encodeKey } from '../../keys/encode.ts';
import type { AccountRow } from '../../locations/account/row.ts';
import { notificationOf } from '../../mail/insert-notification.ts';
import { nextSweep } from '../../settings/sweep-times.ts';
import type { Transaction } from '../../store/client.ts';
import { keptText } from '../../store/kept-text.ts';
import { columnsOf, insertRow, readRow } from '../../store/rows.ts';
import { erasure } from '../../store/schema.ts';
import { accountDigest } from '../../tokens.ts';
import type { Context } from '../model/context.ts';
import { insertTasks, tasksOf } from '../model/ensure-tasks.ts';
import { HOLD_REASON } from '../model/hold.ts';
import { countedRows, insertOutside, OUTSIDE } from '../model/ledger.ts';
import { BY_APPLICATION, type Erasure } from '../model/states.ts';
import { firstCompletion } from '../steps/complete.ts';
import { linkOf } from './idempotency.ts';

/** Who holds an erasure, and why. */
export type Hold = { by: string; reason: string | null };
export const HELD_BY_APPLICATION: Hold = { by: BY_APPLICATION, reason: HOLD_REASON };

/** The row of an erasure that is accepted `now`. `small`: at once, by whoever accepts it. */
export function describeErasure(
  { settings, catalog }: Context,
  requestedBy: string,
  account: AccountRow,
  { small, now, hold, canary }: { small: boolean; now: Date; hold: Hold | null; canary: boolean },
) {
  const accountKey = encodeKey(account.key);
  return {
    id: uuidv7(),
    accountKey,
    accountDigest: accountDigest(settings.secrets, accountKey),
    accountCreated: account.created,
    email: account.email,
    state: small ? ('running' as const) : ('scheduled' as const),
    mode: small ? 'immediate' : 'scheduled',
    requestedAt: now,
    startsAt: small ? now : nextSweep(settings.sweepCron, new Date(now.getTime() + settings.undoWindowMs)),
    // A small account is erased by this request. Should the process die, reconcile takes over after a grace period.
    ...(small ? { startedAt: now, dispatchedAt: now } : {}),
    dueAt: new Date(now.getTime() + settings.slaMs),
    requestedBy,
    catalogDigest: catalog.digest,
    signOutAt: settings.revokesTokens ? now : null,
    canary,
    ...(hold ? { heldAt: now, heldBy: hold.by, holdReason: hold.reason } : {}),
  };
}
type NewErasure = ReturnType<typeof describeErasure>;

/** What is known already when an erasure is inserted. */
type Known = {
  /** All that it asks for is done by this transaction, which deletes these rows. */
  gone?: ReadonlyMap<string, number> | undefined;
  mail?: { kind: 'received' | 'completed'; id: string } | undefined;
  /** Of the Idempotency-Key whose answer it is. */
  keyHash?: string | undefined;
};

/**
 * Inserts it with its tasks, events and mail, in one statement. What an erasure that is done would have gone through is
 * recorded as if it had.
 */
export async function insertErasure(
  tx: Transaction,
  catalog: Catalog,
  wanted: NewErasure,
  { gone, mail, keyHash }: Known,
): Promise<Erasure> {
  const happened: Happened[] = [
    { type: 'erasure.requested', data: { mode: wanted.mode, catalog: catalog.digest } },
    { type: `erasure.${wanted.state}`, data: { from: null } },
    ...(wanted.heldAt ? [{ type: 'erasure.held', data: { by: wanted.heldBy } } as const] : []),
  ];
  const { change, before } = firstCompletion(catalog);
  if (gone) happened.push(...before, { type: 'erasure.completed', data: { from: wanted.state } });
  const row: Record<string, unknown> = gone ? { ...wanted, ...change, state: 'completed' } : wanted;
  const given = Object.keys(row).filter((key) => !is(row[key], SQL));
  const values = {
    id: wanted.id,
    tasks: tasksOf(catalog, wanted),
    events: happenedInOrder(happened),
    counted: gone ? countedRows(gone) : '',
    outside: OUTSIDE,
    kind: mail?.kind ?? 'received',
    mailId: mail?.id ?? '',
    keyHash: keyHash ?? '',
    cells: given.map((key) => row[key]),
  };
  const shape = [...given, gone && 'gone', mail && 'mail', keyHash && 'linked'].join(' ');
  const statement = keptText(catalog, `insert ${shape}`, values, (slots) => {
    const besides = [
      ...(gone ? [sql`counted AS (${insertOutside(sql.raw('tasks'), slots.counted, slots.outside)})`] : []),
      ...(mail ? [sql`notified AS (${notificationOf(slots.id, slots.kind, slots.mailId)})`] : []),
      ...(keyHash ? [sql`linked AS (${linkOf(slots.keyHash, slots.id)})`] : []),
      sql`recorded AS (${eventsFrom('created', slots.events)})`,
    ];
    const filled = { ...row, ...Object.fromEntries(given.map((key, n) => [key, slots.cells[n]])) };
    return sql`
      WITH tasks AS (${insertTasks(slots.id, slots.tasks, gone !== undefined)} RETURNING id, location),
           created AS (${insertRow(erasure, filled as NewErasure)} RETURNING ${columnsOf(erasure)}),
           ${sql.join(besides, sql`, `)}
      SELECT * FROM created`;
  });
  const [created] = await tx.execute(statement);
  return readRow(erasure, created as Record<string, unknown>);
}
