import { randomUUID } from 'node:crypto';
import { inArray, notInArray, sql } from 'drizzle-orm';
import type { Database, Transaction } from '../../store/client.ts';
import { readClock } from '../../store/clock.ts';
import { owner } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import { type Followed, follow, type Patience } from './follow.ts';
import type { Trouble } from './look-elsewhere.ts';
import { type Done, type KeptMeasured, type Measured, NOTHING, type OwnerState, readMeasured } from './measured.ts';
import { buildOwnerMessage, type OwnerMessage } from './message.ts';
import { owe } from './owe.ts';

const SHORT = { statementMs: 5_000, lockMs: 2_000 } as const;

type Row = typeof owner.$inferSelect;

/**
 * One look at all owners. `owners`: those of the catalog. `told`: those of them whose teams want messages. `done`: null
 * where it could not be measured; what is known of it stays.
 */
export type Look = {
  owners: readonly string[];
  told: ReadonlySet<string>;
  open: ReadonlyMap<string, Measured>;
  done: ReadonlyMap<string, Done> | null;
  troubles: readonly Trouble[];
};

/**
 * Writes down how it stands with each owner, and which message is owed. An owner that is in the catalog no more stays as
 * long as it has open tasks. One transaction, by the database's clock: two workers follow one another.
 */
export async function keepOwners(
  db: Database,
  look: Look,
  { patience, publicUrl }: { patience: Patience; publicUrl: string },
): Promise<void> {
  const names = [...new Set([...look.owners, ...look.open.keys()])].sort();
  await transaction(db, SHORT, async (tx) => {
    await tx.delete(owner).where(notInArray(owner.name, names));
    const rows = await tx.select().from(owner).where(inArray(owner.name, names)).orderBy(owner.name).for('update');
    const now = await readClock(tx);
    const before = new Map(rows.map((row) => [row.name, row]));
    const changed = names.map((name) => lookAgain(name, before.get(name), look, { now, patience, publicUrl }));
    await store(tx, changed);
  });
}

/** `late` is worse than `failing`. */
function seenState({ late, failing }: Measured, troubles: readonly Trouble[]): OwnerState {
  if (late > 0 || troubles.some((t) => t.state === 'late')) return 'late';
  return failing > 0 || troubles.length > 0 ? 'failing' : 'well';
}

function lookAgain(
  name: string,
  before: Row | undefined,
  look: Look,
  { now, patience, publicUrl }: { now: Date; patience: Patience; publicUrl: string },
): Row {
  const troubles = look.troubles.filter((t) => t.owner === name);
  const measured: Measured = {
    ...(look.open.get(name) ?? NOTHING),
    done: (look.done ? look.done.get(name) : before && readMeasured(before.measured as KeptMeasured).done) ?? null,
    words: troubles.map((t) => t.words),
  };
  const last = before && { ...before, state: before.state as OwnerState };
  const followed = follow(last, seenState(measured, troubles), now, patience);
  const row = { ...(before ?? UNTOLD), name, ...followed, watchedAt: now, measured };
  if (!look.told.has(name)) return { ...row, ...UNTOLD };
  return { ...row, ...whatIsOwed(row, followed, measured, { now, patience, publicUrl }) };
}

/** Of an owner whose team was told nothing, and is owed nothing. */
const UNTOLD = {
  toldState: 'well',
  toldAt: null,
  messageId: null,
  message: null,
  triedState: null,
  nextAt: null,
  attempts: 0,
  lastWords: null,
};

function whatIsOwed(
  row: Omit<Row, 'measured'>,
  followed: Followed,
  measured: Measured,
  { now, patience, publicUrl }: { now: Date; patience: Patience; publicUrl: string },
): Partial<Row> {
  const owed = (row.message as OwnerMessage | null)?.data.state ?? null;
  const standing = { told: row.toldState as OwnerState, owed, tried: row.triedState as OwnerState | null };
  const { told, next } = owe(followed, standing, now, patience);
  if (next === 'keep') return {};
  const dropped = { ...UNTOLD, toldState: told, toldAt: row.toldAt };
  if (next === 'drop') return dropped;
  const id = randomUUID();
  const message = buildOwnerMessage({ id, owner: row.name, state: next, at: now, publicUrl }, followed, measured);
  return { ...dropped, messageId: id, message, nextAt: now };
}

async function store(tx: Transaction, rows: Row[]): Promise<void> {
  if (rows.length === 0) return;
  const columns = Object.keys(rows[0] as Row).filter((key) => key !== 'name') as (keyof Row)[];
  const set = Object.fromEntries(columns.map((key) => [key, sql.raw(`excluded."${owner[key].name}"`)]));
  await tx.insert(owner).values(rows).onConflictDoUpdate({ target: owner.name, set });
}
