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

/** How a team that answers for locations is reached. Variables of the environment by name. */
export type DeclaredOwner = {
  owner: string;
  contact?: string | undefined;
  notify?: { url: string; secret: string } | { mail: string } | undefined;
};

/** Test data that is planted and erased on a schedule. Times in milliseconds. `key`: the variable with the API key. */
export type DeclaredCanary = {
  owner: string;
  every: number;
  /** From planting to the request. */
  wait: number;
  /** From the request until all of it must be gone. */
  within: number;
  key: string;
  /** The first statement returns the new account's key; `$account` and `$marker` are bound. */
  plant: string[];
};

/** Where the offline dataset is written: a folder or a bucket. `sla`: milliseconds from the end of a day until its partition is there. */
export type DeclaredDataset = {
  owner: string;
  sla: number;
  folder?: string | undefined;
  s3?:
    | {
        bucket: string;
        prefix?: string | undefined;
        region?: string | undefined;
        endpoint?: string | undefined;
        pathStyle?: boolean | undefined;
        credentials?: { key: string; secret: string; session?: string | undefined } | undefined;
      }
    | undefined;
};

/** What a catalog says of how it is watched. None of it changes what an erasure does. */
export type Watching = {
  owners?: DeclaredOwner[] | undefined;
  canary?: DeclaredCanary | undefined;
  dataset?: DeclaredDataset | undefined;
};

/** The catalog as written (`source`, without what `Watching` has) and as understood: shape and values are checked, the live schema is not. */
export type Declaration = Watching & {
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
