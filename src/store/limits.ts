/** Looking into the application's tables: locks nothing, may pass many dead index entries. */
export const PROBING = { statementMs: 10 * 60_000, lockMs: 2_000 } as const;

/** Bookkeeping on Lethe's own tables: short, and never behind the application's locks. */
export const OWN_TABLES = { statementMs: 5_000, lockMs: 2_000 } as const;

/**
 * How long a transaction that has locked rows waits for one more row of the application. To wait with rows locked is
 * what makes a deadlock. A session of the application that has waited for long looks for it at any moment. So this wait
 * is as short as it can be (docs/decisions/002-never-wait-while-holding.md).
 */
export const GIVE_WAY_MS = 10;
