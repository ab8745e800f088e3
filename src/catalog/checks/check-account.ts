import type { KeyColumns } from '../../keys/types.ts';
import type { Declaration, Problems } from '../live/declared.ts';
import type { TableFacts } from '../live/inspect.ts';
import { identifier } from '../live/names.ts';
import { checkKey, typeInWords } from './check-key.ts';

/** The account's table: its key names one row, and the other columns are what they are declared to be. */
export function checkAccount(
  { account }: Declaration,
  name: string,
  table: TableFacts,
  { errors, warnings }: Problems,
): KeyColumns | undefined {
  const key = checkKey(name, table, [account.key], errors);
  const isAlone = (columns: readonly string[]) => columns.length === 1 && columns[0] === account.key;
  if (
    key &&
    !isAlone(table.primaryKey) &&
    !table.indexes.some((i) => i.unique && isAlone(i.columns.map((c) => c.name)))
  ) {
    errors.push(
      `account.key: ${name}.${identifier(account.key)} is neither the primary key nor unique: one request would erase several accounts`,
    );
  }
  const { email, flag, created, hold } = account;
  if (created === undefined && flag === undefined)
    warnings.push(
      `account: neither created nor flag is set, so an account that is made again with the key of one that is being erased cannot be told from it, and its rows would go: name the column with its time of creation in created`,
    );
  for (const [role, column] of Object.entries({ email, flag, created, hold })) {
    if (column === undefined) continue;
    const found = table.columns[column];
    if (!found) errors.push(`account.${role}: ${name} has no column ${identifier(column)}`);
    else if (role !== 'email' && role !== 'hold' && !found.type.startsWith('timestamp'))
      errors.push(`account.${role}: ${name}.${identifier(column)} is ${typeInWords(found)}, expected a timestamp`);
  }
  return key;
}
