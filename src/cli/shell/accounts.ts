import { canonicalKey } from '../../erasure/accept/request.ts';
import type { Context } from '../../erasure/model/context.ts';
import { markEarlier } from '../../erasure/model/newer-account.ts';
import { type Erasure, findErasure, findLive } from '../../erasure/model/states.ts';
import { listErasures } from '../../erasure/progress/list.ts';
import { LetheError, UsageError } from '../../errors.ts';
import { parseAccountId } from '../../keys/parse.ts';
import { accountDigest } from '../../tokens.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

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
  const accountKey =
    keyTypeOf(ctx) === undefined
      ? asWritten(text)
      : await canonicalKey(ctx.db, ctx, parseAccountId(ctx.catalog, text, 'account'));
  return { accountKey, accountDigests: ctx.settings.secrets.map((secret) => accountDigest([secret], accountKey)) };
}

/**
 * The erasure of an id, or an account's live or newest one. Throws `not_found`, and a UsageError for a
 * text that is neither.
 */
export async function findByIdOrAccount(ctx: Context, text: string): Promise<Erasure> {
  const byId = UUID.test(text) ? await findErasure(ctx.db, text.toLowerCase()) : null;
  if (byId) return byId;
  if (UUID.test(text) && ![undefined, 'uuid'].includes(keyTypeOf(ctx)))
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
  keyTypeOf(ctx) === undefined ? erasures : markEarlier(ctx, key, erasures);

/** A key as the database prints it, where no catalog says its type: that must keep nobody from looking. */
function asWritten(text: string): string {
  if (UUID.test(text)) return text.toLowerCase();
  if (/^-?\d{1,40}$/.test(text)) return BigInt(text).toString();
  throw new LetheError('invalid_request', 'account: expected a whole number or a uuid', { field: 'account' });
}

function keyTypeOf(ctx: Context): string | undefined {
  try {
    return ctx.catalog.account.key[0].type;
  } catch {
    return undefined;
  }
}
