import { type SQL, sql } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import type { TypeName } from '../keys/test-data.ts';
import type { Transaction } from '../store/client.ts';
import { driverOf } from '../store/prepared.ts';

/** What a statement needs and returns, as the server understands it. */
export type Described = { readonly parameters: readonly TypeName[]; readonly columns: readonly TypeName[] };

const dialect = new PgDialect();

/** Has the server parse a statement, and not run it. */
export async function describe(tx: Transaction, statement: SQL): Promise<Described> {
  const { sql: text, params } = dialect.sqlToQuery(statement);
  // Drizzle cannot describe; the driver can.
  const { types, columns } = await driverOf(tx).unsafe(text, params).describe();
  const named = async (oids: readonly number[]): Promise<TypeName[]> => {
    const all: TypeName[] = [];
    for (const oid of oids) {
      const [row] = await tx.execute<TypeName>(sql`
        SELECT format_type(oid, NULL) AS name, typcategory::text AS category FROM pg_type
         WHERE oid = ${String(oid)}::text::bigint::oid`);
      all.push(row ?? { name: 'unknown', category: 'X' });
    }
    return all;
  };
  return { parameters: await named(types), columns: await named((columns ?? []).map(({ type }) => type)) };
}
