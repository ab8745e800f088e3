/** `child` references `parent`: the child's rows go first. */
export type Edge = { child: string; parent: string };

/**
 * Stages in which tables are erased, children before parents: a table's stage is the length of the longest chain of
 * references that ends at it. `cycles` are chains that lead back to their beginning. Each has a reference that no other
 * one has in this place: without those there is no cycle left. The stages then mean nothing.
 */
export function orderTables(
  tables: readonly string[],
  edges: readonly Edge[],
): { stages: Map<string, number>; cycles: string[][] } {
  const stages = new Map<string, number>();
  const cycles: string[][] = [];
  const path: string[] = [];
  const childrenOf = (table: string) => new Set(edges.filter((e) => e.parent === table).map((e) => e.child));

  const visit = (table: string): void => {
    if (stages.has(table)) return;
    path.push(table);
    let stage = 0;
    for (const child of childrenOf(table)) {
      const start = path.indexOf(child);
      if (start >= 0) {
        cycles.push(path.slice(start));
        continue;
      }
      visit(child);
      stage = Math.max(stage, (stages.get(child) as number) + 1);
    }
    path.pop();
    stages.set(table, stage);
  };

  for (const table of tables) visit(table);
  return { stages, cycles };
}
