import { eq } from 'drizzle-orm';
import { inspectCatalog } from '../catalog/check.ts';
import { type Declaration, parseDeclaration } from '../catalog/load.ts';
import { mergeDeclarations } from '../catalog/merge.ts';
import type { Catalog } from '../catalog/types.ts';
import type { Executor } from '../db/client.ts';
import { catalog as catalogs } from '../db/schema.ts';
import { LetheError, UsageError } from '../errors.ts';
import type { Context } from './context.ts';
import type { Erasure } from './states.ts';

/** Keeps the catalog as it was written, so that erasures accepted with it can go on after it has changed. */
export async function keepCatalog(db: Executor, declared: Declaration): Promise<void> {
  await db.insert(catalogs).values({ digest: declared.digest, source: declared.source }).onConflictDoNothing();
}

/** Catalogs of the past as this process resolved them, by digest. */
export type PastCatalogs = Map<string, Catalog>;

/**
 * The context with the catalog that an erasure was accepted with, and with the locations that are in
 * the current catalog only: they hold this account's data just as well. Throws `catalog_invalid` when
 * it does not fit the database any more.
 */
export async function withCatalogOf(ctx: Context, of: Pick<Erasure, 'catalogDigest'>): Promise<Context> {
  const digest = of.catalogDigest;
  if (digest === ctx.catalog.digest) return ctx;
  const known = ctx.pastCatalogs.get(digest);
  if (known) return { ...ctx, catalog: known };
  const [kept] = await ctx.db.select().from(catalogs).where(eq(catalogs.digest, digest));
  // Accepted by a version that did not keep it: the current one is all there is.
  if (!kept) return ctx;
  const resolved = await resolve(ctx, kept.source);
  ctx.pastCatalogs.set(digest, resolved);
  return { ...ctx, catalog: resolved };
}

async function resolve(ctx: Context, source: unknown): Promise<Catalog> {
  try {
    const merged = mergeDeclarations(parseDeclaration(source, 'the catalog of the request'), ctx.declared);
    const { catalog, errors } = await inspectCatalog(ctx.db, merged);
    if (catalog) return catalog;
    throw new UsageError(errors);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new LetheError(
      'catalog_invalid',
      `the catalog that this erasure was accepted with does not fit any more: ${error.problems.join('; ')}. A replay by an operator takes the current one`,
    );
  }
}
