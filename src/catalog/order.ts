/** `child` references `parent`: the child's rows go first. */
export type Edge = { child: string; parent: string };

/**
 * Stages in which tables are erased, children before parents: a table's stage is the length of the
 * longest chain of references that ends at it. Returns the tables of a cycle instead when there is one.
 */
export function orderTables(
  tables: readonly string[],
  edges: readonly Edge[],
): { stages: Map<string, number> } | { cycle: string[] } {
  const stages = new Map<string, number>();
  const path: string[] = [];
  const childrenOf = (table: string) => edges.filter((e) => e.parent === table).map((e) => e.child);

  const visit = (table: string): string[] | undefined => {
    if (stages.has(table)) return undefined;
    const start = path.indexOf(table);
    if (start >= 0) return path.slice(start);
    path.push(table);
    let stage = 0;
    for (const child of childrenOf(table)) {
      const cycle = visit(child);
      if (cycle) return cycle;
      stage = Math.max(stage, (stages.get(child) as number) + 1);
    }
    path.pop();
    stages.set(table, stage);
    return undefined;
  };

  for (const table of tables) {
    const cycle = visit(table);
    if (cycle) return { cycle };
  }
  return { stages };
}
