import { checkPublications } from '../../catalog/checks/check-publications.ts';
import { unlistedError } from '../../catalog/checks/check-references.ts';
import { type Coverage, findUncovered } from '../../catalog/checks/coverage.ts';
import { findStrayPaths, strayPathWords } from '../../catalog/checks/strays.ts';
import { findWritten, inspectEffects, inspectRoutines } from '../../catalog/checks/trigger-writes.ts';
import { findUntold } from '../../catalog/checks/untold.ts';
import type { Declaration, Problems } from '../../catalog/live/declared.ts';
import { inspectForeignKeys } from '../../catalog/live/inspect.ts';
import { inspectRelations } from '../../catalog/live/inspect-all.ts';
import type { Catalog } from '../../catalog/live/types.ts';
import type { Database } from '../../store/client.ts';

/** `errors` and `warnings` include those of the resolution. */
export type Covered = Coverage & {
  /** Places where another account's rows may come to reference this account's rows. They are no mistake of the catalog. */
  possible: string[];
  /** How many tables were looked at. */
  tables: number;
};

/** Looks in the whole database for tables with an account's data that the catalog does not cover. Changes nothing. */
export async function findGaps(
  db: Database,
  declared: Declaration,
  resolution: Problems & { catalog?: Catalog },
): Promise<Covered> {
  const foreignKeys = await inspectForeignKeys(db);
  const relations = await inspectRelations(db);
  const { uncovered: similar, errors: unjudged, warnings } = findUncovered(declared, relations, foreignKeys);
  const found = new Set(similar.map((f) => f.table));
  const effects = await inspectEffects(db, declared);
  const routines = effects.length > 0 ? await inspectRoutines(db) : [];
  const written = findWritten(declared, relations, effects, routines);
  // Their findings say the same, and what to write, so the errors of these keys are left out.
  const said = new Set(foreignKeys.filter((fk) => found.has(fk.child)).map(unlistedError));
  return {
    errors: [
      ...(await checkPublications(db, declared)),
      ...resolution.errors.filter((error) => !said.has(error)),
      ...unjudged,
    ],
    uncovered: [...similar, ...written.uncovered.filter((f) => !found.has(f.table))],
    warnings: [
      ...warnings,
      ...written.warnings,
      ...findUntold(declared, relations, foreignKeys),
      ...resolution.warnings,
    ],
    possible: resolution.catalog ? findStrayPaths(resolution.catalog, foreignKeys).map(strayPathWords) : [],
    tables: relations.length,
  };
}
