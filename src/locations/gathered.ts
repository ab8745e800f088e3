import type { Transaction } from '../store/client.ts';

/** Values of rows that a transaction has deleted, by column, as the database prints them. */
export type Gathered = readonly Readonly<Record<string, string | null>>[];

const bags = new WeakMap<Transaction, Map<string, Gathered>>();

/** Keeps values of rows that this transaction has deleted, until it is written down who must be told of them. `from`: the name of their location. */
export function gather(tx: Transaction, from: string, rows: Gathered): void {
  if (rows.length === 0) return;
  const bag = bags.get(tx) ?? new Map<string, Gathered>();
  bag.set(from, [...(bag.get(from) ?? []), ...rows]);
  bags.set(tx, bag);
}

/** Takes what was kept, by location. */
export function takeGathered(tx: Transaction): ReadonlyMap<string, Gathered> {
  const bag = bags.get(tx) ?? new Map<string, Gathered>();
  bags.delete(tx);
  return bag;
}
