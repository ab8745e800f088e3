import type { Outcome } from './types.ts';

/** What a catalog says of the account's table. Columns by name. */
export type DeclaredAccount = {
  table: string;
  key: string;
  email?: string | undefined;
  flag?: string | undefined;
  created?: string | undefined;
  hold?: string | undefined;
  unreferenced?: 'acknowledged' | undefined;
  /** Rows in any one location, or milliseconds for all of them. */
  threshold: number | { ms: number };
};

/** An entry of `locations:`. Its kind knows the keys that are not here. `sla`: milliseconds. */
export type DeclaredLocation = {
  name?: string | undefined;
  owner: string;
  action: Outcome;
  at?: 'request' | undefined;
  sla?: number | undefined;
  data?: string | undefined;
};

/** An entry of kind `table`. `account`: the column that holds the account's key. */
export type DeclaredTable = DeclaredLocation & { table: string; account: string };

/** An entry of `ignore:`, which names a table or a column. */
export type DeclaredIgnored = { table?: string | undefined; column?: string | undefined; reason: string };

/** The catalog as written (`source`) and as understood: shape and values are checked, the live schema is not. */
export type Declaration = {
  account: DeclaredAccount;
  locations: DeclaredLocation[];
  ignore?: DeclaredIgnored[] | undefined;
  digest: string;
  source: unknown;
};

type Entries = Pick<Declaration, 'locations'>;

/** The entries that have this key, and so are of the kind that it stands for. */
export const entriesOf = <E extends DeclaredLocation>({ locations }: Entries, key: string): E[] =>
  locations.filter((entry): entry is E => key in entry);

/** The entries of kind `table`. */
export const tablesOf = (declared: Entries): DeclaredTable[] => entriesOf(declared, 'table');

/** Errors are all that could delete too much, too little or unseen; warnings are what makes it slow or surprising. */
export type Problems = { errors: string[]; warnings: string[] };
