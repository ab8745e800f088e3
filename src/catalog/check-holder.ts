import { isKeyType, keyFamily } from './check-key.ts';
import type { TableFacts } from './inspect.ts';
import { identifier } from './names.ts';
import type { Column } from './types.ts';

/** A location's account column: it exists and can hold the account's key. Returns whether it does. */
export function checkHolder(
  location: { name: string; account: string },
  table: TableFacts,
  account: { name: string; key: Column },
  errors: string[],
): boolean {
  const place = `${table.table}.${identifier(location.account)}`;
  const found = table.columns[location.account];
  if (!found) {
    errors.push(`locations.${location.name}: ${table.table} has no column ${identifier(location.account)}`);
    return false;
  }
  const { name, type } = account.key;
  if (!isKeyType(found.type) || keyFamily(found.type) !== keyFamily(type)) {
    errors.push(
      `locations.${location.name}: ${place} is ${found.type}, but ${account.name}.${identifier(name)} is ${type}`,
    );
    return false;
  }
  return true;
}
