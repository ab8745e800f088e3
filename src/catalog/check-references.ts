import type { ForeignKey } from './inspect.ts';
import { identifier, identifiers } from './names.ts';
import type { Problems } from './resolve.ts';

/** True when deleting a parent deletes or changes the rows that reference it. */
export const changesRows = (fk: ForeignKey) => ['CASCADE', 'SET NULL', 'SET DEFAULT'].includes(fk.onDelete);

/** A foreign key at the beginning of a message. */
export const reference = (fk: ForeignKey) =>
  `${fk.child} (${identifiers(fk.columns)}) references ${fk.parent} ON DELETE ${fk.onDelete}`;

/** The error about a foreign key from a table that the catalog does not know. */
export const unlistedError = (fk: ForeignKey): string =>
  `${reference(fk)} and is not in the catalog: add it under locations, with the column that holds the account's key`;

type Declared = {
  accountName: string;
  accountKey: string;
  /** Listed tables with their account column. */
  byTable: ReadonlyMap<string, { account: string }>;
  ignored: ReadonlySet<string>;
};

/** A foreign key onto a listed table: what it would delete or change must be in the catalog and this account's. */
export function checkReference(fk: ForeignKey, declared: Declared, problems: Problems): void {
  const { accountName, accountKey, byTable, ignored } = declared;
  const { errors, warnings } = problems;
  const what = reference(fk);
  const listed = byTable.get(fk.child);
  if (ignored.has(fk.child) && !listed) {
    checkIgnored(fk, problems);
    return;
  }
  if (fk.parent !== accountName && !byTable.has(fk.parent)) {
    errors.push(`${what}, a partition: a foreign key must point at the whole table`);
    return;
  }
  if (fk.child === accountName) {
    errors.push(`${what}: the account table must not reference what is erased with it`);
    return;
  }
  if (!listed) {
    errors.push(unlistedError(fk));
    return;
  }
  const holder = fk.columns.indexOf(listed.account);
  if (fk.parent === accountName && holder >= 0 && fk.referenced[holder] !== accountKey) {
    // Its values are another column's: equal numbers would be somebody else's rows.
    errors.push(`${what} (${identifiers(fk.referenced)}), but the catalog's account key is ${identifier(accountKey)}`);
  }
  if (fk.parent === accountName && holder < 0) {
    const text = `${what}, but the catalog's account column there is ${identifier(listed.account)}`;
    if (changesRows(fk)) errors.push(`${text}: rows of other accounts would be changed unseen`);
    else warnings.push(`${text}: such rows of other accounts stop the erasure with an error`);
  }
}

/** An ignored table may stand in the way of an erasure, but must not be changed by one. */
function checkIgnored(fk: ForeignKey, { errors, warnings }: Problems): void {
  if (changesRows(fk)) {
    errors.push(
      `${reference(fk)} and is under ignore, but its rows would be changed unseen: list it under locations, or change the foreign key to NO ACTION`,
    );
  } else warnings.push(`${reference(fk)} and is under ignore: such rows stop the erasure with an error`);
}
