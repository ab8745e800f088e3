import { type Column, isKeyType, KEY_TYPES, type KeyColumns } from '../../keys/types.ts';
import type { ColumnFacts, TableFacts } from '../live/inspect.ts';
import { identifier, identifiers } from '../live/names.ts';

/** A type in words: a domain is called one. */
export const typeInWords = ({ type, domain }: ColumnFacts): string =>
  domain ? `the domain ${domain} over ${type}` : type;

/** The columns of a key with their types, or undefined with errors that say what a key must be. */
export function checkKey(
  name: string,
  table: TableFacts,
  columns: readonly string[],
  errors: string[],
  primary = false,
): KeyColumns | undefined {
  if (columns.length === 0) errors.push(`${name}: has no primary key`);
  const checked = takeOne(name, columns, errors).map((column) => checkColumn(name, table, column, errors, primary));
  const [first, ...more] = checked.filter((column) => column !== undefined);
  return first && 1 + more.length === checked.length ? [first, ...more] : undefined;
}

/** The columns of a key that this version takes. Keys of several columns are refused here, and nowhere else. */
function takeOne(name: string, columns: readonly string[], errors: string[]): readonly string[] {
  if (columns.length > 1)
    errors.push(`${name}: the key (${identifiers(columns)}) has several columns, which this version does not support`);
  return columns.slice(0, 1);
}

function checkColumn(
  name: string,
  table: TableFacts,
  column: string,
  errors: string[],
  primary: boolean,
): Column | undefined {
  const found = table.columns[column];
  if (!found) {
    errors.push(`account.key: ${name} has no column ${identifier(column)}`);
    return undefined;
  }
  const place = `${name}.${identifier(column)}`;
  if (!found.notNull) errors.push(`${place}: a key column must be NOT NULL`);
  if (!isKeyType(found.type)) {
    errors.push(
      `${place}: a ${primary ? 'primary key' : 'key'} of type ${typeInWords(found)} is not supported; expected one of ${KEY_TYPES.join(', ')}`,
    );
    return undefined;
  }
  return { name: column, type: found.type };
}
