import { type AskedLocation, isAsked } from '../locations/asked.ts';
import { type Edge, orderTables } from './checks/order.ts';
import type { Location } from './live/types.ts';

/** A partner by its name, and whom it names. */
type InOrder = Pick<AskedLocation, 'name' | 'after' | 'before'>;

/** Which partner is done (`child`) before which other one is asked (`parent`). */
export function edgesOf(partners: readonly InOrder[]): Edge[] {
  const names = new Set(partners.map(({ name }) => name));
  return partners.flatMap(({ name, after, before }) => [
    ...after.filter((other) => names.has(other)).map((other) => ({ child: other, parent: name })),
    ...before.filter((other) => names.has(other)).map((other) => ({ child: name, parent: other })),
  ]);
}

/**
 * The partners that are asked before anything is deleted: a table, or the account, waits for them, or for one that they
 * come before. With the name of what waits. `inside`: names of tables, and of the account's.
 */
export function findEarly(partners: readonly InOrder[], inside: ReadonlySet<string>): Map<string, string> {
  const early = new Map<string, string>();
  const edges = edgesOf(partners);
  const mark = (name: string, why: string): void => {
    if (early.has(name)) return;
    early.set(name, why);
    for (const { child } of edges.filter(({ parent }) => parent === name)) mark(child, why);
  };
  for (const { name, before } of partners) {
    const waits = before.find((other) => inside.has(other));
    if (waits !== undefined) mark(name, waits);
  }
  return early;
}

/**
 * Orders partners by `after` and `before`, whose circles the language refuses. Early ones are asked first, the others when
 * the account is gone, stage after stage. Tables keep their order. `account`: the name of the account's table.
 */
export function orderPartners(locations: readonly Location[], account: string): Location[] {
  const asked = locations.filter(isAsked);
  const others = locations.filter((l) => !isAsked(l));
  const early = findEarly(asked, new Set([account, ...others.map(({ name }) => name)]));
  const { stages } = orderTables(
    asked.map(({ name }) => name),
    edgesOf(asked),
  );
  const last = Math.max(0, ...others.map(({ stage }) => stage));
  return locations.map((l) => {
    if (!isAsked(l)) return l;
    const isEarly = early.has(l.name);
    return { ...l, early: isEarly, stage: (isEarly ? 0 : last + 2) + (stages.get(l.name) as number) };
  });
}
