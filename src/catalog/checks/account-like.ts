import { type Declaration, tablesOf } from '../live/declared.ts';
import { fullName, tableName } from '../live/names.ts';
import type { Relation } from '../live/relation.ts';
import { columnName, type Ignored } from './ignored.ts';
import type { KeyOwners } from './key-columns.ts';
import { kindColumnOf } from './polymorphic.ts';
import { endsWithWords, namesSomebody, singular, word } from './words.ts';

/**
 * A column that may hold the account's key or address. `form` says how: `foreign key` for certain, `many` an array of
 * keys, `text` a key in a type that cannot be compared. `kind`: a key only where the column `beside` says so.
 */
export type Like = {
  name: string;
  type: string;
  what: 'key' | 'email';
  form: 'foreign key' | 'plain' | 'many' | 'text' | 'kind';
  beside?: string;
};

/** What may be compared: `smallint` and `bigint` are one family. */
export const family = (type: string): string => {
  if (/^(smallint|integer|bigint|numeric)\b/.test(type)) return type.replace(/^\w+/, 'integer');
  if (/^(text|character|citext)\b/.test(type)) return 'text';
  return type;
};

/** Says of each column of a relation whether it may hold the account's key or address. */
export function accountLike(
  declared: Declaration,
  relations: readonly Relation[],
  owners: KeyOwners,
  ignored: Ignored,
): (relation: Relation) => Like[] {
  const account = fullName(declared.account.table);
  const { key, email } = declared.account;
  const keyType = relations.find((r) => r.table === account)?.columns.find((c) => c.name === key)?.type;
  const own = `${singular(tableName(declared.account.table).table)}_id`;
  // Not what any table may call its own, and not what is refused as an account column: neither says anything about another table.
  const declaredColumns = tablesOf(declared).filter((l) => !owners.elsewhere(fullName(l.table), l.account));
  const names = [own, key, ...declaredColumns.map((l) => l.account)].filter((name) => word(name) !== 'id');
  // The key of a table that there is: `customer_id` is no account where there are customers.
  const others = relations.filter((r) => r.table !== account).map((r) => word(`${singular(r.name)}_id`));
  const isSure = (name: string) => names.some((n) => word(n) === word(name));
  const isNamed = (name: string) =>
    isSure(name) ||
    (!others.includes(word(name)) && (names.some((n) => endsWithWords(name, n)) || namesSomebody(name)));

  const like = ({ name, type, numbered }: Relation['columns'][number], relation: Relation): Like | undefined => {
    if (ignored.columns.has(columnName(relation.table, name))) return undefined;
    if (owners.references(relation.table, name))
      return owners.holds(relation.table, name) ? { name, type, what: 'key', form: 'foreign key' } : undefined;
    if (email !== undefined && word(name) === word(email) && family(type) === 'text')
      return { name, type, what: 'email', form: 'plain' };
    if (numbered || keyType === undefined) return undefined;
    const same = family(keyType);
    if (family(type) === `${same}[]` && isNamed(singular(name))) return { name, type, what: 'key', form: 'many' };
    if (family(type) === 'text' && same !== 'text' && isSure(name)) return { name, type, what: 'key', form: 'text' };
    if (family(type) !== same || !isNamed(name)) return undefined;
    const beside = kindColumnOf(
      name,
      relation.columns.map((c) => c.name),
    );
    if (beside === undefined || ignored.columns.has(columnName(relation.table, beside)))
      return { name, type, what: 'key', form: 'plain' };
    return { name, type, what: 'key', form: 'kind', beside };
  };
  return (relation) => relation.columns.flatMap((column) => like(column, relation) ?? []);
}
