import { readLedger } from '../../dev/evidence.ts';
import type { Sql } from '../support/world.ts';
import type { AskedPlace } from './asked-subject.ts';
import { differs } from './evidence.ts';

/** A call as the database has it. */
export type CallRow = {
  id: string;
  state: string;
  pass: number;
  attempts: number;
  next_at: Date | null;
  leased_until: Date | null;
  last_words: string | null;
  settled_at: Date | null;
  sealed: Buffer | null;
};

/** The calls of an erasure to the subject's partner, oldest first. */
export async function readCalls({ sql, subject }: Pick<AskedPlace, 'sql' | 'subject'>, id: string): Promise<CallRow[]> {
  return sql<CallRow[]>`
    SELECT id, state, pass, attempts, next_at, leased_until, last_words, settled_at, sealed
      FROM lethe.call WHERE erasure_id = ${id} AND partner = ${subject.location} ORDER BY id`;
}

/** The circuit of the subject's partner. */
export async function readPartner({ sql, subject }: Pick<AskedPlace, 'sql' | 'subject'>) {
  const [row] = await sql<{ failures: number; opened_at: Date | null; probe_at: Date | null }[]>`
    SELECT failures, opened_at, probe_at FROM lethe.partner WHERE name = ${subject.location}`;
  return row;
}

/** State of an erasure, whether a step is out, and how many mails say that it is done. */
export async function readErasure(sql: Sql, id: string) {
  const [row] = await sql<{ state: string; out: boolean; mails: number }[]>`
    SELECT state, dispatched_at IS NOT NULL AS out,
           (SELECT count(*)::int FROM lethe.notification WHERE erasure_id = e.id AND kind = 'completed') AS mails
      FROM lethe.erasure e WHERE id = ${id}`;
  return row as { state: string; out: boolean; mails: number };
}

/**
 * Problems of an erasure that should be at its end: something is left, or a call is not settled or keeps what it said. Or
 * the ledger has something else than what went. `times`: passes that asked.
 */
export async function findUnfinishedCalls(
  place: AskedPlace,
  of: { id: string; account: string; things: number; ended: string; times?: number },
): Promise<string[]> {
  const { sql, subject, system } = place;
  const expected = (of.times ?? 1) * subject.counted(of.things);
  const calls = await readCalls(place, of.id);
  const ledger = await readLedger(sql, of.id);
  const chunks = await sql<{ number: number; open: boolean }[]>`
    SELECT DISTINCT c.number::int, c.finished_at IS NULL AS open FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
     WHERE t.erasure_id = ${of.id} AND t.location = ${subject.location}`;
  return [
    ...differs('the end', of.ended, 'completed'),
    ...differs('left', await system.count(of.account), 0),
    ...differs('the ledger', ledger[subject.location], expected),
    ...differs('its chunks', [...chunks], calls.length > 0 ? [{ number: 1, open: false }] : []),
    ...differs('the states of the calls', [...new Set(calls.map((c) => c.state))], calls.length > 0 ? ['done'] : []),
    ...differs('calls that are due', calls.filter((c) => c.next_at || c.leased_until || !c.settled_at).length, 0),
    ...differs('calls that keep what they said', calls.filter((c) => c.sealed).length, 0),
  ];
}
