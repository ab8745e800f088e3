import type { Problems } from '../live/declared.ts';
import type { TableFacts } from '../live/inspect.ts';
import { identifier } from '../live/names.ts';

/**
 * One listed table: it exists, and this role may see and delete its rows. Returns the facts where there are columns and keys to look at.
 */
export function checkTable(name: string, table: TableFacts | undefined, { errors }: Problems): TableFacts | undefined {
  if (!table) {
    errors.push(`${name}: there is no such table`);
    return undefined;
  }
  if (table.kind !== 'r' && table.kind !== 'p') {
    errors.push(`${name}: is not a table`);
    return undefined;
  }
  if (!table.schemaUsage)
    errors.push(`${name}: missing grant: GRANT USAGE ON SCHEMA ${identifier(table.schema)} TO ${table.role}`);
  if (table.missingGrants.length > 0) {
    errors.push(
      `${name}: missing grant (FOR UPDATE needs UPDATE): GRANT ${table.missingGrants.join(', ')} ON ${name} TO ${table.role}`,
    );
  }
  if (table.rowSecurity) {
    errors.push(
      `${name}: row level security is active for this role and would hide rows: connect as a role with BYPASSRLS`,
    );
  }
  return table;
}
