import type { KeyColumns } from '../../keys/types.ts';

export type TableName = { readonly schema: string; readonly table: string };

/** A foreign key from one listed table to another. */
export type Reference = {
  readonly constraint: string;
  /** Name of the referencing location. */
  readonly location: string;
  /** Referencing columns and the columns they point at, in the same order. */
  readonly columns: readonly string[];
  readonly referenced: readonly string[];
};

/** One table that holds an account's data, resolved against the live schema. */
export type Location = TableName & {
  readonly name: string;
  readonly owner: string;
  readonly action: 'delete';
  /** Erased by the accepting transaction already. */
  readonly atRequest: boolean;
  readonly slaMs: number | undefined;
  /** Columns that hold the account's key, with the account's key types. */
  readonly account: KeyColumns;
  readonly key: KeyColumns;
  /** 0 is erased first: children before parents. */
  readonly stage: number;
  /** An index leads with account and key: bounds can be sought in it. */
  readonly ordered: boolean;
  readonly children: readonly Reference[];
  /** A foreign key to the account keeps new rows out once the account row is locked. */
  readonly guarded: boolean;
};

export type AccountTable = TableName & {
  readonly key: KeyColumns;
  readonly email: string | undefined;
  readonly flag: string | undefined;
  readonly created: string | undefined;
  /** The application's column for a legal hold: true, or anything that is not null and not a boolean. */
  readonly hold: { readonly name: string; readonly boolean: boolean } | undefined;
  /** From how many rows in any one location, or from how many milliseconds of work, an erasure is scheduled. */
  readonly threshold: number | { readonly ms: number };
};

/** A trigger or rule of the application on a listed table, or on a partition of it. */
export type Hook = {
  /** `schema.table` as it is listed. */
  readonly table: string;
  readonly event: 'DELETE' | 'UPDATE';
  readonly kind: 'trigger' | 'rule';
  readonly name: string;
  /** It can turn the change of a row into nothing: a BEFORE trigger for each row, or an INSTEAD rule. */
  readonly vetoes: boolean;
};

/** The catalog as the verbs use it: checked, typed and ordered. */
export type Catalog = {
  readonly digest: string;
  readonly account: AccountTable;
  readonly locations: readonly Location[];
  /** Every foreign key that pointed at these tables when the catalog was checked, in words. */
  readonly references: readonly string[];
  /** What a deletion from these tables set off when the catalog was checked. */
  readonly hooks: readonly Hook[];
  /** Tables that need not be erased, as a statement names them: what triggers write there is the application's own affair. */
  readonly ignored: readonly string[];
};
