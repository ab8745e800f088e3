import type { Sql } from 'postgres';
import type { Partners } from './partners.ts';

/** What Lethe knows of a partner. */
type Circuit = { name: string; open: boolean; words: string | null; waiting: number };

const LOOK_MS = 250;
/** A probe comes every 15 seconds, a little sooner or later. */
const RECOVERY_MS = 60_000;

const readCircuits = (sql: Sql, names: readonly string[]) => sql<Circuit[]>`
  SELECT p.name, p.opened_at IS NOT NULL AS open, c.waiting, c.words
    FROM lethe.partner p CROSS JOIN LATERAL (
         SELECT count(*)::int AS waiting, max(last_words) AS words
           FROM lethe.call WHERE partner = p.name AND settled_at IS NULL) c
   WHERE p.name = ANY(${[...names]}::text[]) ORDER BY p.name`;

const shown = (partners: Partners, { name, open, waiting, words }: Circuit) =>
  `   ${name.padEnd(16)} ${`${partners.named[name]?.what}`.padEnd(23)} circuit ${open ? 'open  ' : 'closed'} ${waiting} waiting${words ? `: ${words}` : ''}`;

/** Looks until `enough` says so, and shows what changes. Throws when that takes too long. */
async function follow(sql: Sql, partners: Partners, say: (text: string) => void, enough: (now: Circuit[]) => boolean) {
  const last = new Map<string, string>();
  const end = Date.now() + RECOVERY_MS;
  for (;;) {
    const circuits = await readCircuits(sql, Object.keys(partners.named));
    for (const circuit of circuits) {
      const line = shown(partners, circuit);
      if (last.get(circuit.name) !== line) say(line);
      last.set(circuit.name, line);
    }
    if (enough(circuits)) return;
    if (Date.now() > end)
      throw new Error(`the partners are still not as they should be:\n${[...last.values()].join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Shows partners that are away until `calls` wait for each, and the circuits are open that an outage opens. */
export const watchOutage = (sql: Sql, partners: Partners, calls: number, say: (text: string) => void) =>
  follow(sql, partners, say, (now) =>
    now.every(
      ({ name, open, waiting, words }) => waiting >= calls && words !== null && (open || !partners.named[name]?.opens),
    ),
  );

/** Shows partners that are back until nothing waits for them. */
export const watchRecovery = (sql: Sql, partners: Partners, say: (text: string) => void) =>
  follow(sql, partners, say, (now) => now.every(({ open, waiting }) => !open && waiting === 0));
