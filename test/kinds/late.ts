import { sql as text } from 'drizzle-orm';
import { z } from 'zod';
import { entriesOf } from '../../src/catalog/live/declared.ts';
import type { Location } from '../../src/catalog/live/types.ts';
import type { Context } from '../../src/erasure/model/context.ts';
import { acknowledgeTask } from '../../src/erasure/steps/acknowledge.ts';
import { LetheError } from '../../src/errors.ts';
import type { KeyValue } from '../../src/keys/types.ts';
import {
  type Carrier,
  type ChunkWork,
  type Kind,
  type KindContext,
  NewerAccount,
  type Refused,
  type Slice,
} from '../../src/locations/kind.ts';
import { KINDS } from '../../src/locations/kinds/registry.ts';
import type { Executor } from '../../src/store/client.ts';
import { OWN_TABLES } from '../../src/store/limits.ts';
import { chunk } from '../../src/store/schema.ts';
import { sanitize } from '../../src/store/sql-errors.ts';
import { transaction } from '../../src/store/transaction.ts';
import { READER_CATALOG } from '../support/world.ts';
import type { Subject } from './subject.ts';

/** Another system: it deletes when it is told, and remembers what it did for which token. Its commits are its own. */
const SYSTEM = `
  CREATE SCHEMA elsewhere;
  CREATE TABLE elsewhere.record (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account text NOT NULL, body text DEFAULT 'a record');
  CREATE INDEX ON elsewhere.record (account, id);
  CREATE TABLE elsewhere.told (token text PRIMARY KEY, rows int NOT NULL);
  CREATE TABLE elsewhere.refused (account text PRIMARY KEY);
  CREATE FUNCTION elsewhere.forget(asked text, whose text, most int) RETURNS int LANGUAGE plpgsql AS $$
  DECLARE done int := (SELECT rows FROM elsewhere.told WHERE token = asked);
  BEGIN
    IF done IS NOT NULL THEN RETURN done; END IF;
    IF EXISTS (SELECT FROM elsewhere.refused WHERE account = whose) THEN RETURN -1; END IF;
    DELETE FROM elsewhere.record WHERE account = whose
       AND id IN (SELECT id FROM elsewhere.record WHERE account = whose ORDER BY id LIMIT most);
    GET DIAGNOSTICS done = ROW_COUNT;
    INSERT INTO elsewhere.told VALUES (asked, done);
    RETURN done;
  END $$;`;

export const ELSEWHERE = 'elsewhere';
const location: Location = {
  kind: 'late',
  name: ELSEWHERE,
  owner: 'partner',
  action: 'delete',
  atRequest: false,
  slaMs: 12 * 3_600_000,
  stage: 0,
  guarded: false,
};

export async function countElsewhere(db: Executor, [account]: KeyValue): Promise<number> {
  const [row] = await db.execute<{ rows: number }>(
    text`SELECT count(*)::int AS rows FROM elsewhere.record WHERE account = ${account}`,
  );
  return row?.rows ?? 0;
}

/** Tells the other system to forget, in a transaction of that system. The same token is never carried out twice. */
async function tell({ db }: KindContext, token: string, [account]: KeyValue, most: number): Promise<number> {
  const [row] = await db.execute<{ rows: number }>(
    text`SELECT elsewhere.forget(${token}, ${account}, ${most}::int) AS rows`,
  );
  const rows = row?.rows ?? -1;
  if (rows < 0) throw new LetheError('database_error', 'the other system refused', { location: ELSEWHERE }, 'never');
  return rows;
}

/** Tells it slice by slice. The cursor is the number of the slice; after the last one the task awaits the answer. */
const step = (ctx: KindContext, work: ChunkWork): Promise<Slice | null> =>
  transaction(ctx.db, OWN_TABLES, async (tx) => {
    const claim = await work.claim(tx);
    if (!claim) return null;
    if (await work.isNewer(tx)) throw new NewerAccount();
    const slice = Number(claim.cursor?.[0] ?? 0);
    const rows = await tell(ctx, `${work.chunkId}/${slice}`, work.account, claim.limit);
    const finished = (await countElsewhere(ctx.db, work.account)) === 0;
    await work.record(tx, { rows, cursor: [String(slice + 1)], finished, awaiting: finished });
    return { finished, rows, full: rows >= claim.limit };
  });

const tellToDelete: Carrier = {
  estimate: async ({ db }, locations, account) => {
    const rows = await countElsewhere(db, account);
    return locations.map(() => ({ rows, chunks: rows > 0 ? 1 : 0 }));
  },
  plan: async (tx, _ctx, _location, account, { taskId, pass }) => {
    const rows = await countElsewhere(tx, account);
    if (rows > 0) await tx.insert(chunk).values({ taskId, pass, number: 1, upper: ['all'], rowsPlanned: rows });
    return { rows, chunks: rows > 0 ? 1 : 0 };
  },
  step,
  prove: async (tx, locations, account) =>
    (await countElsewhere(tx, account)) > 0 ? locations.map(({ name }) => name) : [],
};

export const REFUSED: Refused = { refused: 'the other system can only delete' };

/** Answers late, and may outlive the account. It exists in the tests only. */
export const late: Kind = {
  entry: 'system',
  declare: z.strictObject({ system: z.literal(ELSEWHERE) }),
  placeOf: () => ELSEWHERE,
  resolve: async (_db, declared) => ({
    errors: [],
    warnings: [],
    unusable: [],
    locations: entriesOf(declared, 'system').map(() => location),
  }),
  outcomes: { delete: tellToDelete, set: REFUSED, keep: REFUSED, refuse: REFUSED },
  inside: null,
  outside: null,
  look: async () => {},
  findInTheWay: async () => [],
  causeOf: async (_ctx, error) => sanitize(error),
};

/** Adds a kind that answers late, and its location, to what the catalog knows. */
export const withLate = (ctx: Context, kind: Kind = late): Context => ({
  ...ctx,
  kinds: { ...KINDS, late: kind },
  catalog: { ...ctx.catalog, locations: [...ctx.catalog.locations, location] },
});

export const lateSubject = (kind: Kind = late): Subject => ({
  kind: 'late',
  outcome: 'delete',
  location: ELSEWHERE,
  schema: SYSTEM,
  catalog: READER_CATALOG,
  contextOf: (ctx) => withLate(ctx, kind),
  add: async (sql, accounts, rows) => {
    await sql`INSERT INTO elsewhere.record (account) SELECT a FROM generate_series(1, ${rows}::int) n, unnest(${accounts as string[]}::text[]) a
               ORDER BY n, a`;
  },
  count: async (sql, account) => {
    const [row] = await sql`SELECT count(*)::int AS rows FROM elsewhere.record WHERE account = ${account}`;
    return { [ELSEWHERE]: row?.rows };
  },
  checksum: async (sql, account) => {
    const [row] = await sql`SELECT md5(coalesce(string_agg(t::text, E'\n' ORDER BY id), '')) AS sum
      FROM elsewhere.record t WHERE account = ${account}`;
    return row?.sum;
  },
  obstruct: async (sql, account) => {
    await sql`INSERT INTO elsewhere.refused VALUES (${account})`;
    return () => sql`DELETE FROM elsewhere.refused WHERE account = ${account}`;
  },
  answer: (ctx, id) => acknowledgeTask(ctx, id, ELSEWHERE),
});
