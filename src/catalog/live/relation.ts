/** A relation that has rows of its own: `r` table, `p` partitioned, `m` materialized view, `f` foreign table. */
export type Relation = {
  /** `qualified`. */
  table: string;
  /** Without its schema. */
  name: string;
  kind: 'r' | 'p' | 'm' | 'f';
  /** Columns with the type that their domain is over. `numbered`: the table gives them values of its own. */
  columns: { name: string; type: string; numbered: boolean }[];
  /** Columns of the primary key. */
  key: string[];
  /** Tables that it inherits from, at any distance; rows there include its own. */
  parents: string[];
};
