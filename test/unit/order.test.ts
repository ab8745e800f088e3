import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Edge, orderTables } from '../../src/catalog/checks/order.ts';

function stagesOf(tables: readonly string[], edges: readonly Edge[]): Record<string, number> {
  const { stages, cycles } = orderTables(tables, edges);
  if (cycles.length > 0) throw new Error(`unexpected cycle: ${cycles}`);
  return Object.fromEntries(stages);
}

/** Tables in any order, with references from a later to an earlier one only: no cycle is possible. */
const acyclic = fc.integer({ min: 1, max: 12 }).chain((n) => {
  const tables = Array.from({ length: n }, (_, i) => `t${i}`);
  const edge = fc
    .tuple(fc.nat({ max: n - 1 }), fc.nat({ max: n - 1 }))
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => ({ child: `t${Math.max(a, b)}`, parent: `t${Math.min(a, b)}` }));
  return fc.record({
    tables: fc.shuffledSubarray(tables, { minLength: n }),
    edges: n === 1 ? fc.constant<Edge[]>([]) : fc.array(edge, { maxLength: 30 }),
  });
});

describe('orderTables', () => {
  it.each([
    ['no references', ['a', 'b'], [], { a: 0, b: 0 }],
    ['a child before its parent', ['feeds', 'posts'], ['posts>feeds'], { posts: 0, feeds: 1 }],
    ['a chain', ['feeds', 'posts', 'notes'], ['posts>feeds', 'notes>posts'], { notes: 0, posts: 1, feeds: 2 }],
    ['the longest of two ways', ['a', 'b', 'c'], ['c>a', 'c>b', 'b>a'], { c: 0, b: 1, a: 2 }],
    ['two foreign keys between the same tables', ['a', 'b'], ['b>a', 'b>a'], { b: 0, a: 1 }],
  ])('orders %s', (_, tables, pairs, expected) => {
    expect(stagesOf(tables, pairs.map(toEdge))).toEqual(expected);
  });

  it('puts the children of every acyclic graph in a lower stage than their parents', () => {
    fc.assert(
      fc.property(acyclic, ({ tables, edges }) => {
        const stages = stagesOf(tables, edges);
        expect(Object.keys(stages).sort()).toEqual([...tables].sort());
        for (const { child, parent } of edges) expect(stages[child]).toBeLessThan(Number(stages[parent]));
        // No stage without need: whoever is not in the first one has a child in the stage before.
        for (const [table, stage] of Object.entries(stages)) {
          const below = edges.filter((e) => e.parent === table).map((e) => stages[e.child]);
          expect(stage).toBe(below.length === 0 ? 0 : 1 + Math.max(...below.map(Number)));
        }
      }),
    );
  });

  it.each([
    ['of two', ['a', 'b'], ['a>b', 'b>a'], ['a', 'b']],
    ['of three beside innocent tables', ['x', 'a', 'b', 'c'], ['x>a', 'a>b', 'b>c', 'c>a'], ['a', 'b', 'c']],
    ['of one table with itself', ['x', 'comments'], ['comments>comments'], ['comments']],
  ])('reports a cycle %s with its tables only', (_, tables, pairs, expected) => {
    const { cycles } = orderTables(tables, pairs.map(toEdge));
    expect(cycles.map((cycle) => [...cycle].sort())).toEqual([expected]);
  });

  it('reports every cycle at once', () => {
    const pairs = ['a>b', 'b>a', 'c>c', 'd>e', 'e>f', 'f>d', 'a>d'];
    const { cycles } = orderTables(['a', 'b', 'c', 'd', 'e', 'f'], pairs.map(toEdge));
    expect(cycles.map((cycle) => [...cycle].sort().join('')).sort()).toEqual(['ab', 'c', 'def']);
  });

  it('reports, for every graph with a cycle, tables that reference one another in turn', () => {
    const anything = fc.array(fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 5 })), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(anything, (pairs) => {
        const edges = pairs.map(([a, b]) => ({ child: `t${a}`, parent: `t${b}` }));
        const tables = ['t0', 't1', 't2', 't3', 't4', 't5'];
        const { stages, cycles } = orderTables(tables, edges);
        if (cycles.length === 0)
          for (const e of edges) expect(stages.get(e.child)).toBeLessThan(Number(stages.get(e.parent)));
        // The last step of each leads back; without those steps no cycle is left.
        const back = cycles.map((cycle) => ({ child: String(cycle[0]), parent: String(cycle.at(-1)) }));
        const rest = edges.filter((e) => !back.some((b) => b.child === e.child && b.parent === e.parent));
        expect(orderTables(tables, rest).cycles).toEqual([]);
        for (const cycle of cycles) {
          expect(new Set(cycle).size).toBe(cycle.length);
          cycle.forEach((parent, i) => {
            expect(edges).toContainEqual({ child: cycle[(i + 1) % cycle.length], parent });
          });
        }
      }),
    );
  });
});

function toEdge(text: string): Edge {
  const [child, parent] = text.split('>');
  return { child: String(child), parent: String(parent) };
}
