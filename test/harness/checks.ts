import type { Sql } from 'postgres';
import { countRows, type Mail, type Rows, readLedger } from '../../dev/evidence.ts';
import { STATES, type State, TRANSITIONS } from '../../src/erasure/model/states.ts';

/** What was there before: rows of each account, and a checksum over everything of the bystanders. */
export type Before = { rows: Map<string, Rows>; bystanders: string };

export type Happening = { type: string; data: { from?: string | null } };

/** Looks at the accounts before anything happens to them. */
export async function lookBefore(
  sql: Sql,
  accounts: readonly string[],
  bystanders: readonly string[],
): Promise<Before> {
  const rows = new Map<string, Rows>();
  for (const account of accounts) rows.set(account, await countRows(sql, account));
  return { rows, bystanders: await checksumOf(sql, bystanders) };
}

/** A checksum over every row of these accounts. */
export async function checksumOf(sql: Sql, accounts: readonly string[]): Promise<string> {
  const ids = accounts as string[];
  const tables = [
    ['accounts', 'id'],
    ['sessions', 'account_id'],
    ['posts', 'account_id'],
    ['feeds', 'account_id'],
  ] as const;
  const sums: string[] = [];
  for (const [table, column] of tables) {
    const [row] = await sql`SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)), 0) AS sum
      FROM ${sql(table)} t WHERE ${sql(column)} = ANY(${ids}::bigint[])`;
    sums.push(`${table} ${row?.sum}`);
  }
  return sums.join(', ');
}

/** The database holds nothing of the account. */
export async function nothingLeft(sql: Sql, account: string): Promise<string[]> {
  const left = Object.entries(await countRows(sql, account)).filter(([, n]) => n > 0);
  return left.map(([table, n]) => `account ${account}: ${n} rows are left in ${table}`);
}

/** Every row of a bystander is as it was. */
export async function bystandersUnchanged(sql: Sql, bystanders: readonly string[], before: Before): Promise<string[]> {
  const now = await checksumOf(sql, bystanders);
  return now === before.bystanders ? [] : [`bystanders have changed: ${before.bystanders} before, ${now} now`];
}

/** The ledger's sum is what was there and what the application added, without what it took away itself. */
export async function ledgerExact(
  sql: Sql,
  erasureId: string,
  before: Rows,
  tally: Readonly<Record<string, number>> = {},
): Promise<string[]> {
  const ledger = await readLedger(sql, erasureId);
  return Object.entries(before).flatMap(([location, rows]) => {
    const expected = rows + (tally[location] ?? 0);
    const counted = ledger[location] ?? 0;
    if (counted === expected) return [];
    return [
      `erasure ${erasureId}: the ledger says ${counted} rows of ${location}, deleted were ${expected} (${rows} at first)`,
    ];
  });
}

/** An account that keeps its rows has what it had, and what was moved to it. */
export async function nothingTaken(
  sql: Sql,
  account: string,
  before: Rows,
  tally: Readonly<Record<string, number>> = {},
): Promise<string[]> {
  const now = await countRows(sql, account);
  return Object.entries(before).flatMap(([table, rows]) => {
    const expected = rows + (tally[table] ?? 0);
    const there = now[table as keyof Rows];
    return there === expected ? [] : [`account ${account}: ${there} rows in ${table}, expected ${expected}`];
  });
}

/** Exactly one mail says that it is done; exactly one says that a request was received where it was not done at once. */
export function oneMailEach(mails: readonly Mail[], address: string, mode: string): string[] {
  const of = (subject: RegExp) => mails.filter((mail) => mail.to === address && subject.test(mail.subject)).length;
  const found = { completed: of(/has been deleted/), received: of(/have received/) };
  const received = mode === 'scheduled' ? 1 : 0;
  return [
    ...(found.completed === 1 ? [] : [`${address}: ${found.completed} mails say that the account is deleted`]),
    ...(found.received === received ? [] : [`${address}: ${found.received} mails say that a request was received`]),
  ];
}

/** States are legal, and the event log has every transition, from the request to the state that the erasure is in. */
export function legalHistory(happened: readonly Happening[], state: string): string[] {
  const problems: string[] = [];
  if (happened[0]?.type !== 'erasure.requested') problems.push(`the first event is ${happened[0]?.type}`);
  let at: State | null = null;
  for (const { type, data } of happened) {
    const to = type.replace(/^erasure\./, '') as State;
    if (!type.startsWith('erasure.') || !STATES.includes(to)) continue;
    const from: State | null = at;
    at = to;
    if ((data.from ?? null) !== from) problems.push(`${type} says that it came from ${data.from}, it was ${from}`);
    const legal: readonly State[] = from === null ? ['scheduled', 'running'] : TRANSITIONS[from];
    if (!legal.includes(to)) problems.push(`illegal transition ${from} → ${to}`);
  }
  if (at !== state) problems.push(`the events end in ${at}, the erasure is ${state}`);
  return problems;
}

/** No session of ours is in the middle of a transaction or has a lock, and no prepared transaction is left. */
export async function nothingHeld(sql: Sql): Promise<string[]> {
  const sessions = await sql<{ who: string; state: string; query: string }[]>`
    SELECT application_name AS who, state, left(query, 80) AS query FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend'
       AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'`;
  const locks = await sql<{ who: string; what: string }[]>`
    SELECT a.application_name AS who, l.locktype || ' ' || l.mode AS what
      FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE a.datname = current_database() AND a.backend_type = 'client backend'
       AND a.pid <> pg_backend_pid() AND l.locktype <> 'virtualxid'
       -- What works has locks, and a slow machine is always at work somewhere: left is what stays.
       AND (a.state <> 'active' OR a.xact_start < clock_timestamp() - interval '5 seconds')`;
  const prepared = await sql<{ gid: string }[]>`SELECT gid FROM pg_prepared_xacts`;
  return [
    ...sessions.map((s) => `a session of ${s.who} is left ${s.state}: ${s.query}`),
    ...locks.map((l) => `a session of ${l.who} still holds ${l.what}`),
    ...prepared.map((p) => `the prepared transaction ${p.gid} is left`),
  ];
}
