import { readLedger } from '../../dev/evidence.ts';
import type { Sql } from '../support/world.ts';
import type { Place, Rows } from './subject.ts';

/** Nothing when both say the same, else what differs. */
export const differs = (what: string, is: unknown, expected: unknown): string[] => {
  const [a, b] = [JSON.stringify(is), JSON.stringify(expected)];
  return a === b ? [] : [`${what}: ${a} instead of ${b}`];
};

const zero = (rows: Rows): Rows => Object.fromEntries(Object.keys(rows).map((name) => [name, 0]));

/** Problems of an erasure that should be at its end: something is left, or the ledger says something else than what went. */
export async function findUnfinished(
  { sql, subject }: Place,
  of: { id: string; account: string; before: Rows; ended: string },
): Promise<string[]> {
  const ledger = await readLedger(sql, of.id);
  const counted = Object.fromEntries(Object.keys(of.before).map((name) => [name, ledger[name]]));
  return [
    ...differs('the end', of.ended, 'completed'),
    ...differs('left', await subject.count(sql, of.account), zero(of.before)),
    ...differs('the ledger', counted, of.before),
  ];
}

/** The task of a location, and what the status says of it. Times are the database's, in milliseconds. */
export async function readTask(sql: Sql, id: string, location: string) {
  const [task] = await sql<Record<string, unknown>[]>`
    SELECT t.kind, t.action, t.owner, t.state, t.last_error, t.started_at, t.finished_at, t.due_at,
           (SELECT p FROM json_array_elements(lethe.progress_of(t.erasure_id)) AS p WHERE p ->> 'name' = t.location) AS progress
      FROM lethe.task t WHERE t.erasure_id = ${id} AND t.location = ${location}`;
  return (task ?? {}) as {
    kind?: string;
    action?: string;
    owner?: string;
    state?: string;
    last_error?: string | null;
    started_at?: Date | null;
    finished_at?: Date | null;
    due_at?: Date;
    progress?: Record<string, unknown>;
  };
}

/** A checksum over every table of the database: equal means that nothing changed. */
export async function checksumAll(sql: Sql): Promise<string> {
  const tables = await sql<{ name: string }[]>`
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname !~ '^pg_|^information_schema$' ORDER BY 1`;
  const sums = tables.map(
    ({ name }) => `SELECT md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) AS sum FROM ${name} t`,
  );
  const rows = await sql.unsafe<{ sum: string }[]>(sums.join(' UNION ALL '));
  return rows.map((row) => row.sum).join(' ');
}
