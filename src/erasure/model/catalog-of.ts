import { and, eq } from 'drizzle-orm';
import { inspectDrifted } from '../../catalog/check.ts';
import type { Declaration } from '../../catalog/live/declared.ts';
import { parseDeclaration } from '../../catalog/load.ts';
import { mergeDeclarations, sameAccounts } from '../../catalog/merge.ts';
import { LetheError, UsageError } from '../../errors.ts';
import type { Executor } from '../../store/client.ts';
import { OWN_TABLES } from '../../store/limits.ts';
import { catalog as catalogs, erasure } from '../../store/schema.ts';
import { transaction } from '../../store/transaction.ts';
import type { Context, Past } from './context.ts';
import { ensureTasks } from './ensure-tasks.ts';
import type { Erasure } from './states.ts';

/** Keeps the catalog as it was written, so that erasures accepted with it can go on after it has changed. */
export async function keepCatalog(db: Executor, declared: Declaration): Promise<void> {
  await db.insert(catalogs).values({ digest: declared.digest, source: declared.source }).onConflictDoNothing();
}

/**
 * The context with the catalog that an erasure was accepted with. It also has what is in the current catalog only,
 * which is about this account's data just as well. Throws `catalog_invalid` when it does not fit the database any more.
 */
export async function withCatalogOf(ctx: Context, of: Pick<Erasure, 'catalogDigest'>): Promise<Context> {
  const digest = of.catalogDigest;
  if (digest === ctx.catalog.digest) return ctx;
  const known = ctx.pastCatalogs.get(digest);
  if (known) return { ...ctx, ...known };
  const kept = await findKept(ctx, digest);
  // Accepted by a version that did not keep it: the current one is all there is.
  if (!kept) return ctx;
  const past = await resolve(ctx, kept);
  ctx.pastCatalogs.set(digest, past);
  return { ...ctx, ...past };
}

/**
 * Like `withCatalogOf`, but where that does not fit any more the current catalog, if it is about the
 * same accounts. Null: neither says anything about this one.
 */
export async function withCatalogOrCurrent(ctx: Context, of: Pick<Erasure, 'catalogDigest'>): Promise<Context | null> {
  try {
    return await withCatalogOf(ctx, of);
  } catch (error) {
    if (!(error instanceof LetheError) || error.code !== 'catalog_invalid') throw error;
    const kept = await findKept(ctx, of.catalogDigest);
    return kept && sameAccounts(kept, ctx.declared) ? ctx : null;
  }
}

/**
 * Makes the catalog of `ctx` the erasure's own, with the tasks that it asks for. From then on every
 * process goes by it: one that has never heard of an added location would leave its rows behind.
 */
export async function adoptCatalog(ctx: Context, of: Erasure): Promise<void> {
  await transaction(ctx.db, OWN_TABLES, async (tx) => {
    await keepCatalog(tx, ctx.declared);
    const adopted = await tx
      .update(erasure)
      .set({ catalogDigest: ctx.catalog.digest })
      .where(and(eq(erasure.id, of.id), eq(erasure.catalogDigest, of.catalogDigest)))
      .returning({ id: erasure.id });
    if (adopted.length > 0) await ensureTasks(tx, ctx.catalog, of);
  });
}

async function findKept(ctx: Context, digest: string): Promise<Declaration | null> {
  const [kept] = await ctx.db.select().from(catalogs).where(eq(catalogs.digest, digest));
  return kept ? parseDeclaration(kept.source, 'the catalog of the request', ctx.kinds) : null;
}

async function resolve(ctx: Context, kept: Declaration): Promise<Past> {
  try {
    const declared = mergeDeclarations(kept, ctx.declared, ctx.kinds);
    const { catalog, errors, drift } = await inspectDrifted(ctx.db, declared, ctx.kinds);
    // A foreign key alone is met by whoever deletes what it points at.
    if (catalog && drift.unusable.length === 0) return { declared, catalog };
    throw new UsageError(errors);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const way = sameAccounts(kept, ctx.declared)
      ? 'a replay by an operator takes the current one'
      : 'the current one is about other accounts, so it cannot take its place';
    throw new LetheError(
      'catalog_invalid',
      `the catalog that this erasure was accepted with does not fit any more: ${error.problems.join('; ')}; ${way}`,
    );
  }
}
