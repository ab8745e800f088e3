import { type SQL, sql } from 'drizzle-orm';
import { qualified } from '../catalog/live/names.ts';
import type { Transaction } from '../store/client.ts';
import { NotPlanted } from './not-planted.ts';

type Node = {
  Operation?: string;
  Schema?: string;
  'Relation Name'?: string;
  'Conflict Resolution'?: string;
  Plans?: Node[];
};

const CHANGES = ['Update', 'Delete', 'Merge'];

/**
 * The tables that a statement inserts into, as `schema.table`, from its plan: it is not run. So a WITH, a view or a rule
 * hides none. Throws `NotPlanted` when it would change or delete rows, which could be people's. What functions and
 * triggers write is not in a plan.
 */
export async function readTargets(tx: Transaction, statement: SQL): Promise<string[]> {
  const [row] = await tx.execute<Record<string, unknown>>(sql`EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) ${statement}`);
  const answer = row?.['QUERY PLAN'];
  const plans = (typeof answer === 'string' ? JSON.parse(answer) : answer) as { Plan?: Node }[];
  // A rule may have made a command without a plan of it, as `NOTIFY`.
  const nodes = plans.flatMap(({ Plan }) => (Plan ? nodesOf(Plan) : []));
  const changed = nodes.find(changesRows);
  if (changed) throw new NotPlanted(`it would change rows of ${nameOf(changed)}: test data is only added`);
  const inserts = nodes.filter((node) => node.Operation === 'Insert' && node['Relation Name']);
  return [...new Set(inserts.map(nameOf))];
}

const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

const changesRows = (node: Node): boolean =>
  CHANGES.includes(node.Operation ?? '') || node['Conflict Resolution'] === 'UPDATE';

const nameOf = ({ Schema = '', 'Relation Name': table = '' }: Node): string => qualified({ schema: Schema, table });
