import { type SQL, sql } from 'drizzle-orm';
import { qualified } from '../catalog/live/names.ts';
import type { Transaction } from '../store/client.ts';

type Node = { Operation?: string; Schema?: string; 'Relation Name'?: string; Plans?: Node[] };

/**
 * The tables that a statement inserts into, as `schema.table`, from its plan: it is not run. So a WITH or a view hides
 * none. What functions and triggers write is not in a plan.
 */
export async function readTargets(tx: Transaction, statement: SQL): Promise<string[]> {
  const [row] = await tx.execute<Record<string, unknown>>(sql`EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) ${statement}`);
  const answer = row?.['QUERY PLAN'];
  const plans = (typeof answer === 'string' ? JSON.parse(answer) : answer) as { Plan: Node }[];
  return [...new Set(plans.flatMap(({ Plan }) => targetsOf(Plan)))];
}

const targetsOf = (node: Node): string[] => [
  ...(node.Operation === 'Insert' && node['Relation Name']
    ? [qualified({ schema: node.Schema ?? '', table: node['Relation Name'] })]
    : []),
  ...(node.Plans ?? []).flatMap(targetsOf),
];
