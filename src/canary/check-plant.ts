import { sql } from 'drizzle-orm';
import type { DeclaredCanary } from '../catalog/live/declared.ts';
import { qualified } from '../catalog/live/names.ts';
import { ACCOUNT, readPlant } from '../catalog/live/plant.ts';
import type { Catalog } from '../catalog/live/types.ts';
import { goesInto, positionOf } from '../keys/test-data.ts';
import type { KeyType } from '../keys/types.ts';
import type { Database } from '../store/client.ts';
import { sanitize, sqlState } from '../store/sql-errors.ts';
import { transaction } from '../store/transaction.ts';
import { type Described, describe } from './describe.ts';
import { markerOf } from './model.ts';
import { NotPlanted } from './not-planted.ts';
import { bind } from './plant-tables.ts';
import { readTargets } from './read-targets.ts';

const CHECKING = { statementMs: 5_000, lockMs: 1_000 };
const NOBODY: Record<KeyType, string> = {
  smallint: '0',
  integer: '0',
  bigint: '0',
  uuid: '00000000-0000-0000-0000-000000000000',
};

/** What does not fit, and what would be planted where no erasure looks, or is not planted where it does. */
export type PlantCheck = { errors: string[]; warnings: string[] };

/**
 * Has the server parse and plan each statement of `plant`, in transactions that write nothing. So types, names and rights
 * are looked at, and nothing is run. `db`: with the role that plants.
 */
export async function checkPlant(db: Database, catalog: Catalog, { plant }: DeclaredCanary): Promise<PlantCheck> {
  const found: PlantCheck = { errors: [], warnings: [] };
  const targets = new Set<string>();
  for (const [n, text] of plant.entries()) {
    const at = (words: string) => `canary.plant.${n}: ${words}`;
    try {
      const one = await checkOne(db, catalog, text, n);
      found.errors.push(...one.problems.map(at));
      for (const target of one.targets) targets.add(target);
    } catch (error) {
      if (sqlState(error) === '42501')
        found.warnings.push(at('this role may not run it: GRANT INSERT, or set LETHE_CANARY_DATABASE_URL'));
      else found.errors.push(at(wordsOf(error)));
    }
  }
  const listed = [catalog.account, ...catalog.tables];
  for (const target of targets)
    if (!catalog.ignored.includes(target) && !listed.some((table) => qualified(table) === target))
      found.warnings.push(`canary.plant: ${target} is not in the catalog, so no erasure looks there`);
  const empty = catalog.tables.filter((table) => !targets.has(qualified(table)));
  if (found.errors.length === 0 && empty.length > 0)
    found.warnings.push(
      `canary.plant: nothing is planted in ${empty.map(({ name }) => name).join(', ')}, so nobody would notice`,
    );
  return found;
}

async function checkOne(
  db: Database,
  catalog: Catalog,
  text: string,
  n: number,
): Promise<{ problems: string[]; targets: string[] }> {
  const columns = catalog.account.key;
  const key = columns.map(({ type }) => NOBODY[type]);
  const statement = bind(text, n, columns, key, markerOf({ id: NOBODY.uuid }));
  return transaction(db, CHECKING, async (tx) => {
    await tx.execute(sql`SET TRANSACTION READ ONLY`);
    const described = await describe(tx, statement);
    const problems = [...misfits(text, n, catalog, described), ...(n === 0 ? unreturned(catalog, described) : [])];
    return { problems, targets: problems.length > 0 ? [] : await readTargets(tx, statement) };
  });
}

function misfits(text: string, n: number, { account }: Catalog, { parameters }: Described): string[] {
  const names = readPlant(text, n).pieces.flatMap((piece) => ('text' in piece ? [] : [piece]));
  return names.flatMap(({ parameter, field }, i) => {
    const type = (parameter === ACCOUNT && account.key[positionOf(account.key, field)]?.type) || 'text';
    const wanted = parameters[i];
    if (!wanted || goesInto(type, wanted)) return [];
    return [
      `$${parameter} is ${type === 'text' ? 'a text' : `of type ${type}`}, and stands where ${wanted.name} is expected`,
    ];
  });
}

function unreturned({ account }: Catalog, { columns }: Described): string[] {
  if (columns.length === 0) return ["returns nothing: end it with RETURNING and the account's key"];
  if (columns.length < account.key.length)
    return [`returns ${columns.length} columns of a key that has ${account.key.length}`];
  return account.key.flatMap(({ name, type }, i) => {
    const returned = columns[i];
    return columns.length > account.key.length || !returned || goesInto(type, returned)
      ? []
      : [`returns ${returned.name}, and the key's column ${name} is of type ${type}`];
  });
}

/** What the server says of a statement that the catalog's author has written, and of nobody's data. */
function wordsOf(error: unknown): string {
  if (error instanceof NotPlanted) return error.message.replace(/^statement \d+: /, '');
  const state = sqlState(error) ?? '';
  // A query that Drizzle sends has the server's error as its cause.
  const { cause = error } = error as { cause?: unknown };
  return state.startsWith('42') ? `${(cause as Error).message} (${state})` : sanitize(error).message;
}
