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

/** What can become of an account's data in a location: SQL's own four (CASCADE, SET NULL, NO ACTION, RESTRICT). */
export const OUTCOMES = ['delete', 'set', 'keep', 'refuse'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** One place that holds an account's data, as every verb knows it. What else there is to know, its kind knows. */
export type Location = {
  readonly kind: string;
  readonly name: string;
  readonly owner: string;
  readonly action: Outcome;
  /** Erased by the accepting transaction already. */
  readonly atRequest: boolean;
  readonly slaMs: number | undefined;
  /** 0 is erased first: children before parents. */
  readonly stage: number;
  /** Nothing new can come in once the account's row is locked; other locations are looked at again later. */
  readonly guarded: boolean;
  /** What users are told that it is, where the catalog says so. */
  readonly data?: string | undefined;
};

/** One table that holds an account's data, resolved against the live schema. */
export type TableLocation = Location &
  TableName & {
    /** Columns that hold the account's key, with the account's key types. */
    readonly account: KeyColumns;
    readonly key: KeyColumns;
    /** An index leads with account and key: bounds can be sought in it. */
    readonly ordered: boolean;
    readonly children: readonly Reference[];
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
  /** All of them, in the order in which they are erased. */
  readonly locations: readonly Location[];
  /** Those of kind `table`, in the same order. */
  readonly tables: readonly TableLocation[];
  /** Every foreign key that pointed at these tables when the catalog was checked, in words. */
  readonly references: readonly string[];
  /** What a deletion from these tables set off when the catalog was checked. */
  readonly hooks: readonly Hook[];
  /** Columns whose values partners are told of when rows go, by the name of the location, or of the account's table. */
  readonly gathered: ReadonlyMap<string, readonly string[]>;
  /** Tables that need not be erased, as a statement names them: what triggers write there is the application's own affair. */
  readonly ignored: readonly string[];
};
