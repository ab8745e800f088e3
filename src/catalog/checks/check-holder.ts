import { type Column, isKeyType, type KeyColumns, keyFamily } from '../../keys/types.ts';
import type { TableFacts } from '../live/inspect.ts';
import { identifier } from '../live/names.ts';
import { typeInWords } from './check-key.ts';
import { reference } from './check-references.ts';
import { columnName, type Ignored } from './ignored.ts';
import type { KeyOwners } from './key-columns.ts';
import { kindColumnOf } from './polymorphic.ts';

/** What tells whose keys a column holds. */
type Known = { owners: KeyOwners; ignored: Ignored };

/**
 * Checks a location's account columns, one for each column of the account's key. Each must exist and be of its type.
 * Nothing may say that it holds the key of something else: equal numbers there would be rows of others.
 * Returns them with the types of the account's key, or undefined with errors.
 */
export function checkHolder(
  location: { name: string; account: readonly string[] },
  table: TableFacts,
  known: Known & { account: { name: string; key: KeyColumns } },
  errors: string[],
): KeyColumns | undefined {
  const { account, owners, ignored } = known;
  const holds = account.key.every((key, i) => {
    const column = { name: location.name, account: location.account[i] as string };
    return checkColumn(column, table, { account: { name: account.name, key }, owners, ignored }, errors);
  });
  if (!holds) return undefined;
  const [first, ...more] = account.key.map(({ type }, i) => ({ name: location.account[i] as string, type }));
  return first && [first, ...more];
}

function checkColumn(
  location: { name: string; account: string },
  table: TableFacts,
  { account, owners, ignored }: Known & { account: { name: string; key: Column } },
  errors: string[],
): boolean {
  const place = `locations.${location.name}: ${table.table}.${identifier(location.account)}`;
  const found = table.columns[location.account];
  if (!found) {
    errors.push(`locations.${location.name}: ${table.table} has no column ${identifier(location.account)}`);
    return false;
  }
  const { name, type } = account.key;
  if (!isKeyType(found.type) || keyFamily(found.type) !== keyFamily(type)) {
    errors.push(`${place} is ${typeInWords(found)}, but ${account.name}.${identifier(name)} is ${type}`);
    return false;
  }
  if (owners.holds(table.table, location.account) && owners.references(table.table, location.account)) return true;
  const fk = owners.elsewhere(table.table, location.account);
  // A foreign key onto another column of the account's table is refused where the foreign keys are checked.
  if (fk && fk.parent !== account.name) {
    errors.push(
      `${place} does not hold the account's key: ${reference(fk)}. Rows of others would be deleted: name the column that holds it`,
    );
    return false;
  }
  if (found.numbered) {
    errors.push(
      `${place} does not hold the account's key: the table numbers its own rows with it. Rows of others would be deleted: name the column that holds it`,
    );
    return false;
  }
  const kind = kindColumnOf(location.account, Object.keys(table.columns));
  if (kind !== undefined && !ignored.columns.has(columnName(table.table, kind))) {
    errors.push(
      `${place} is the account's key in some rows only: ${identifier(kind)} beside it says which table it belongs to, and equal keys of the others would be deleted. This version has no condition (where): take the location out and list the table under ignore with a reason. If ${identifier(kind)} says something else, list that column under ignore with a reason`,
    );
    return false;
  }
  return true;
}
