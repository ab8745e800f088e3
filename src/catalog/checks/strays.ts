import type { KeyColumns } from '../../keys/types.ts';
import { describeForeignKey, type ForeignKey } from '../live/inspect.ts';
import { qualified, tableName } from '../live/names.ts';
import type { Catalog, TableLocation, TableName } from '../live/types.ts';

/**
 * A foreign key by which a row that is not the account's can reference one that is. Such a row stays, so the
 * account's row cannot go.
 */
export type StrayPath = {
  constraint: string;
  /** Where the others' rows are; a table that the catalog does not list has no name and no key. */
  child: TableName | TableLocation;
  /** The columns there that hold an account's key; undefined for a table that the catalog does not list. */
  owner: KeyColumns | undefined;
  columns: readonly string[];
  /** What they reference, and the columns that hold the account's key there. */
  parent: TableName & { name: string; account: KeyColumns };
  referenced: readonly string[];
  /** The foreign key in words. */
  words: string;
};

/**
 * The foreign keys that need not stay within one account. One that takes the account's key along does: the child's
 * account is the parent's. A key that the server does not check keeps nobody from deleting, unless a listed table has it.
 */
export function findStrayPaths(
  { account, tables: locations }: Pick<Catalog, 'account' | 'tables'>,
  foreignKeys: readonly ForeignKey[],
): StrayPath[] {
  const parents = [{ ...account, name: account.table, account: account.key }, ...locations];
  return foreignKeys.flatMap((fk) => {
    const parent = parents.find((p) => qualified(p) === fk.parent);
    const child = locations.find((l) => qualified(l) === fk.child);
    if (!parent || (!child && !fk.enforced)) return [];
    if (child && takesAccountAlong(fk, child.account, parent.account)) return [];
    const { constraint, columns, referenced } = fk;
    const words = describeForeignKey(fk);
    const owner = child?.account;
    return [{ constraint, child: child ?? tableName(fk.child), owner, columns, parent, referenced, words }];
  });
}

/** True when the foreign key compares all of the account's key: the child's account is then the parent's. */
const takesAccountAlong = ({ columns, referenced }: ForeignKey, child: KeyColumns, parent: KeyColumns): boolean =>
  child.every(({ name }, i) => columns.some((c, at) => c === name && referenced[at] === parent[i]?.name));

/** What `lethe catalog check` says of one: with the data of now it may never happen, so it is no error. */
export const strayPathWords = ({ words, owner }: StrayPath): string =>
  `${words}: ${owner ? 'its rows need not be of the same account' : 'its rows are nobody’s'}. Where such a row references one of the account's, an erasure stops before anything is deleted; lethe plan <account> counts them`;
