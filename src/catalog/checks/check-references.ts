import type { Problems } from '../live/declared.ts';
import type { ForeignKey } from '../live/inspect.ts';
import { identifier, identifiers } from '../live/names.ts';
import { columnName, type Ignored } from './ignored.ts';

/** True when deleting a parent deletes or changes the rows that reference it. */
export const changesRows = (fk: ForeignKey) => ['CASCADE', 'SET NULL', 'SET DEFAULT'].includes(fk.onDelete);

/** A foreign key at the beginning of a message. */
export const reference = (fk: ForeignKey) =>
  `${fk.child} (${identifiers(fk.columns)}) references ${fk.parent} ON DELETE ${fk.onDelete}`;

/** The error about a foreign key from a table that the catalog does not know. */
export const unlistedError = (fk: ForeignKey): string =>
  `${reference(fk)} and is not in the catalog: add it under locations, with its column for the account's key; reached only through its parent it is not possible in this version`;

type Declared = {
  accountName: string;
  accountKey: string;
  /** Listed tables with their account column. */
  byTable: ReadonlyMap<string, { account: string }>;
  ignored: Ignored;
};

/** A foreign key onto a listed table: what it would delete or change must be in the catalog and this account's. */
export function checkReference(fk: ForeignKey, declared: Declared, problems: Problems): void {
  const { accountName, accountKey, byTable, ignored } = declared;
  const { errors, warnings } = problems;
  const what = reference(fk);
  const listed = byTable.get(fk.child);
  const isIgnored =
    ignored.tables.has(fk.child) || fk.columns.some((c) => ignored.columns.has(columnName(fk.child, c)));
  if (isIgnored && !listed && fk.child !== accountName) {
    checkIgnored(fk, problems);
    return;
  }
  if (fk.parent !== accountName && !byTable.has(fk.parent)) {
    errors.push(`${what}, a partition: a foreign key must point at the whole table`);
    return;
  }
  if (fk.child === accountName && fk.parent === accountName) {
    errors.push(`${what}: ${selfReference(fk)}`);
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

/** What a foreign key of the account's table to itself (`invited_by`) would do, and what can be done about it. */
function selfReference(fk: ForeignKey): string {
  const does = changesRows(fk)
    ? 'erasing an account would delete or change those of others that name it there'
    : 'an account that others name there could not be erased';
  const statement = `ALTER TABLE ${fk.child} DROP CONSTRAINT ${identifier(fk.constraint)}`;
  return `${does}, which this version cannot take apart. Let the application set the column to null when it asks for an erasure, and drop the foreign key: ${statement}`;
}

/** An ignored table may stand in the way of an erasure, but must not be changed by one. */
function checkIgnored(fk: ForeignKey, { errors, warnings }: Problems): void {
  if (changesRows(fk)) {
    errors.push(
      `${reference(fk)} and is under ignore, but its rows would be changed unseen: list it under locations, or change the foreign key to NO ACTION`,
    );
  } else warnings.push(`${reference(fk)} and is under ignore: such rows stop the erasure with an error`);
}
