import { sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import { canonical } from '../../keys/canonical.ts';
import type { KeyValue } from '../../keys/types.ts';
import type { Context } from '../model/context.ts';

/**
 * Throws `not_found` unless this database knows the account as test data of the cycle `canaryId` that has not passed. In
 * another Lethe's database a person may have the key of who asks.
 */
export async function requireTestData(
  { db, catalog }: Pick<Context, 'db' | 'catalog'>,
  canaryId: string,
  key: KeyValue,
): Promise<void> {
  const [known] = await db.execute(sql`
    SELECT FROM lethe.canary WHERE id = ${canaryId} AND state <> 'passed'
       AND account_key = ${canonical(catalog.account.key, key)}`);
  if (!known)
    throw new LetheError(
      'not_found',
      'this Lethe has planted no such test data; LETHE_CANARY_URL of who asks may name another Lethe',
    );
}
