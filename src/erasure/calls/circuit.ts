import { sql } from 'drizzle-orm';
import type { Transaction } from '../../store/client.ts';
import { PROBE_MS } from './take.ts';

/** Failures in a row, of whatever calls, that open a partner's circuit. */
const OPENS_AFTER = 5;

type Heard = { kind: string; words: string; down?: boolean; afterMs?: number };

/**
 * Writes down what answers say of the partner itself. Any answer that is not `down` closes its circuit, and calls that
 * waited for their next try are due at once. Failures in a row open it: then one call a while probes, and the others wait
 * without spending attempts.
 */
export async function recordCircuit(tx: Transaction, name: string, answers: readonly Heard[]): Promise<void> {
  const heard = answers.filter((a) => a.kind !== 'dropped');
  const last = heard.at(-1);
  if (!last) return;
  const failed = heard.filter((a) => a.kind === 'later' && a.down);
  const pause = Math.max(0, ...heard.map((a) => a.afterMs ?? 0));
  if (pause > 0)
    await tx.execute(
      sql`UPDATE lethe.partner SET paused_until = now() + ${pause} * interval '1 millisecond' WHERE name = ${name}`,
    );
  if (failed.length === heard.length) {
    await tx.execute(sql`
      UPDATE lethe.partner SET failures = failures + ${failed.length}, words = ${last.words.slice(0, 500)},
             opened_at = CASE WHEN opened_at IS NOT NULL OR failures + ${failed.length} >= ${OPENS_AFTER}
                              THEN coalesce(opened_at, now()) END,
             probe_at = CASE WHEN opened_at IS NOT NULL OR failures + ${failed.length} >= ${OPENS_AFTER}
                             THEN now() + ${PROBE_MS * (0.8 + 0.4 * Math.random())} * interval '1 millisecond' END
       WHERE name = ${name}`);
    return;
  }
  // Written only where something changes: a partner that answers has thousands of these a minute.
  const [closed] = await tx.execute<{ opened: boolean }>(sql`
    UPDATE lethe.partner p SET failures = 0, opened_at = NULL, probe_at = NULL, answered_at = now()
      FROM (SELECT opened_at FROM lethe.partner WHERE name = ${name}) AS was
     WHERE p.name = ${name} AND (p.failures > 0 OR p.opened_at IS NOT NULL OR p.answered_at IS NULL
                                 OR p.answered_at < now() - interval '10 seconds')
    RETURNING was.opened_at IS NOT NULL AS opened`);
  if (closed?.opened)
    await tx.execute(sql`UPDATE lethe.call SET next_at = now()
      WHERE partner = ${name} AND next_at > now() AND state = 'open' AND leased_until IS NULL`);
}
