import type { Context } from '../../erasure/model/context.ts';
import { markEarlier } from '../../erasure/model/newer-account.ts';
import { type Erasure, findErasure, findLive } from '../../erasure/model/states.ts';
import { listErasures } from '../../erasure/progress/list.ts';
import { LetheError, UsageError } from '../../errors.ts';
import { canonicalAsWritten, canonicalKey } from '../../keys/canonical.ts';
import { isKey, parseKey, UUID } from '../../keys/parse.ts';
import type { KeyColumns } from '../../keys/types.ts';
import { accountDigests } from '../../tokens.ts';

/** Checks an argument that must be the id of an erasure. Throws a UsageError that says where to find one. */
export function erasureId(text: string): string {
  if (UUID.test(text)) return text.toLowerCase();
  throw new UsageError([`${text}: expected the id of an erasure (a uuid): lethe list shows them`]);
}

/** The erasure of an id. Throws `not_found`. */
export async function requireErasure(ctx: Context, text: string): Promise<Erasure> {
  const found = await findErasure(ctx.db, erasureId(text));
  if (!found) throw new LetheError('not_found', 'there is no such erasure');
  return found;
}

/** What finds the erasures of an account, also those that were scrubbed. */
export async function ofAccount(ctx: Context, text: string): Promise<{ accountKey: string; accountDigests: string[] }> {
  const columns = keyOf(ctx);
  const accountKey = columns
    ? await canonicalKey(ctx.db, columns, parseKey(columns, text, 'account'))
    : canonicalAsWritten(text, 'account');
  return { accountKey, accountDigests: accountDigests(ctx.settings.secrets, accountKey) };
}

/**
 * The erasure of an id, or an account's live or newest one. Throws `not_found`, and a UsageError for a
 * text that is neither.
 */
export async function findByIdOrAccount(ctx: Context, text: string): Promise<Erasure> {
  const byId = UUID.test(text) ? await findErasure(ctx.db, text.toLowerCase()) : null;
  if (byId) return byId;
  const columns = keyOf(ctx);
  if (UUID.test(text) && columns && !isKey(columns, text))
    throw new LetheError('not_found', 'there is no such erasure');
  const filter = await ofAccount(ctx, text).catch((error: unknown) => {
    if (!(error instanceof LetheError) || error.code !== 'invalid_request') throw error;
    throw new UsageError([`${text}: expected the id of an erasure (a uuid), or an account: ${error.detail}`]);
  });
  const live = await findLive(ctx.db, filter.accountKey);
  if (live) return live;
  const [newest] = (await listErasures(ctx.db, filter, { limit: 1 })).erasures;
  if (!newest) throw new LetheError('not_found', 'there is no erasure of this account');
  return newest;
}

/** Erasures of one key, marked where they are about an earlier account; unmarked without a catalog that fits. */
export const marked = async (ctx: Context, key: string | null | undefined, erasures: Erasure[]): Promise<Erasure[]> =>
  keyOf(ctx) ? markEarlier(ctx, key, erasures) : erasures;

/** The columns of the account's key; undefined without a catalog that fits the database. */
function keyOf(ctx: Context): KeyColumns | undefined {
  try {
    return ctx.catalog.account.key;
  } catch {
    return undefined;
  }
}
