import { createHash } from 'node:crypto';
import { and, eq, isNull, type SQL, sql } from 'drizzle-orm';
import { LetheError } from '../../errors.ts';
import type { Database } from '../../store/client.ts';
import { idempotency } from '../../store/schema.ts';

/** A request that was in flight for this long has died with its process. */
const ABANDONED = sql`now() - interval '30 seconds'`;

export type Answer = { status: number; body: unknown };
/** `fresh`: go on and store the answer. `answered`: replay it. `accepted`: the answer was lost, the erasure was not. */
export type Claimed =
  | { kind: 'fresh' }
  | { kind: 'answered'; answer: Answer; erasureId: string }
  | { kind: 'accepted'; erasureId: string };

const hash = (...parts: string[]) => createHash('sha256').update(JSON.stringify(parts)).digest('hex');

/** One key of one caller. */
export const idempotencyKeyHash = (caller: string, key: string) => hash('key', caller, key);
/** What the request asks for: another request with the same key is a mistake of the caller. */
export const requestFingerprint = (method: string, path: string, body: unknown) =>
  hash(method, path, JSON.stringify(body));

/**
 * Claims an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header) before the work. Throws
 * `idempotency_key_reused` for another request with it and `idempotency_key_in_flight` while the first one runs.
 */
export async function claimIdempotencyKey(db: Database, keyHash: string, fingerprint: string): Promise<Claimed> {
  const [fresh] = await db
    .insert(idempotency)
    .values({ keyHash, fingerprint })
    .onConflictDoUpdate({
      target: idempotency.keyHash,
      set: { lockedAt: sql`now()` },
      setWhere: sql`${idempotency.status} IS NULL AND ${idempotency.erasureId} IS NULL
                    AND ${idempotency.fingerprint} = ${fingerprint} AND ${idempotency.lockedAt} < ${ABANDONED}`,
    })
    .returning({ keyHash: idempotency.keyHash });
  if (fresh) return { kind: 'fresh' };
  const [known] = await db.select().from(idempotency).where(eq(idempotency.keyHash, keyHash));
  // Given back between the two statements: without a claim of its own this request would leave no answer behind.
  if (!known) return claimIdempotencyKey(db, keyHash, fingerprint);
  if (known.fingerprint !== fingerprint)
    throw new LetheError('idempotency_key_reused', 'send another Idempotency-Key for another request');
  if (known.status !== null && known.erasureId) {
    return { kind: 'answered', answer: { status: known.status, body: known.response }, erasureId: known.erasureId };
  }
  if (known.erasureId && Date.now() - known.lockedAt.getTime() > 30_000)
    return { kind: 'accepted', erasureId: known.erasureId };
  throw new LetheError(
    'idempotency_key_in_flight',
    'the first request with this Idempotency-Key has not been answered yet',
  );
}

/** The statement by which the answer to a request is found again when it was lost: this erasure. */
export const linkOf = (keyHash: string, erasureId: string): SQL =>
  sql`UPDATE ${idempotency} SET erasure_id = ${erasureId} WHERE key_hash = ${keyHash}`;

/** Stores the answer. It must not hold a token: those are derived again when the answer is replayed. */
export async function storeAnswer(db: Database, keyHash: string, erasureId: string, answer: Answer): Promise<void> {
  await db
    .update(idempotency)
    .set({ status: answer.status, response: answer.body, erasureId })
    .where(eq(idempotency.keyHash, keyHash));
}

/**
 * Gives the key back, so that the caller may try again. That is after a request that accepted nothing, or whose erasure
 * (`erasureId`) is about an account that is not theirs.
 */
export async function releaseIdempotencyKey(db: Database, keyHash: string, erasureId?: string): Promise<void> {
  const accepted = erasureId === undefined ? isNull(idempotency.erasureId) : eq(idempotency.erasureId, erasureId);
  await db.delete(idempotency).where(and(eq(idempotency.keyHash, keyHash), accepted));
}
