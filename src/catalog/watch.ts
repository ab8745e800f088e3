import type { Kinds } from '../locations/kinds/registry.ts';
import type { Logger } from '../logger.ts';
import type { Database } from '../store/client.ts';
import { sanitize } from '../store/sql-errors.ts';
import { inspectDrifted } from './check.ts';
import type { Drift } from './drift.ts';
import type { Declaration } from './live/declared.ts';
import type { Catalog } from './live/types.ts';

/** What a process started with. */
export type Fit = { catalog: Catalog; drift: Drift };

/**
 * Compares the live schema with the catalog again, every `intervalMs` until stopped: two look-ups in the system's catalog.
 * `drift` is what was found last. The catalog of this process stays as it was at its start.
 */
export function watchCatalog(
  db: Database,
  declared: Declaration,
  start: Fit,
  { kinds, log, intervalMs }: { kinds: Kinds; log: Logger; intervalMs: number },
): { drift: Drift; stop: () => Promise<void> } {
  const drift = { ...start.drift };
  tell(log, drift);
  let running: Promise<void> = Promise.resolve();
  const look = async () => {
    try {
      const now = driftOf(await inspectDrifted(db, declared, kinds), start);
      if (now.problems.join() === drift.problems.join()) return;
      Object.assign(drift, now);
      tell(log, drift);
    } catch (error) {
      log.debug({ code: sanitize(error).code }, 'the catalog was not compared with the database');
    }
  };
  const timer = setInterval(() => {
    running = running.then(look);
  }, intervalMs).unref();
  return {
    drift,
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}

/** What does not fit now, and what this process does not know because it was not so at its start. */
function driftOf(now: Awaited<ReturnType<typeof inspectDrifted>>, start: Fit): Drift {
  if (!now.drift.problems.length && start.drift.unusable.length > 0) {
    const again = ['the database fits the catalog again: restart this process'];
    return { problems: again, unusable: again };
  }
  const added = (now.catalog?.references ?? []).filter((key) => !start.catalog.references.includes(key));
  return {
    problems: [...now.drift.problems, ...added.map((key) => `${key} was not there at the start: restart this process`)],
    unusable: [...now.drift.unusable, ...start.drift.unusable.filter((text) => !now.drift.unusable.includes(text))],
  };
}

function tell(log: Logger, { problems }: Drift): void {
  if (problems.length === 0) return;
  for (const problem of problems)
    log.error({ problem }, 'the database has drifted from the catalog: erasures that this affects stall');
}
