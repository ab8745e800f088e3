import type { Catalog } from '../../catalog/live/types.ts';
import { decodeKey } from '../../keys/encode.ts';
import { type AskedLocation, type Call, isAsked } from '../../locations/asked.ts';
import { unseal } from '../../partners/seal.ts';
import { withCatalogOrCurrent } from '../model/catalog-of.ts';
import type { Context } from '../model/context.ts';
import { hasNewerAccount } from '../model/newer-account.ts';
import type { Settlement } from './settle.ts';
import type { Taken } from './take.ts';

/** A call that can be made, or what is to be written down in its place. */
export type Prepared = { readonly location: AskedLocation; readonly call: Call } | Settlement;

const inCatalog = (catalog: Catalog, name: string): AskedLocation | undefined => {
  const found = catalog.locations.find((l) => l.name === name);
  return found && isAsked(found) ? found : undefined;
};

/**
 * The partner as the current catalog has it, so that a new address or secret is used for what is under way. Else as the
 * catalog has it that the erasure was accepted with.
 */
export async function findPartner(ctx: Context, name: string, digest: string): Promise<AskedLocation | undefined> {
  const now = inCatalog(ctx.catalog, name);
  if (now) return now;
  const past = await withCatalogOrCurrent(ctx, { catalogDigest: digest });
  return past ? inCatalog(past.catalog, name) : undefined;
}

const dropped = (id: string, words: string): Settlement => ({ id, answer: { kind: 'dropped', words } });
const later = (id: string, words: string): Settlement => ({ id, answer: { kind: 'later', words, down: false } });

/** Opens what a call must say. A call that would reach somebody new with the account's key is dropped. */
export async function prepare(ctx: Context, name: string, taken: Taken): Promise<Prepared> {
  const { id, erasureId, accountKey } = taken;
  const location = await findPartner(ctx, name, taken.catalogDigest);
  if (!location) return later(id, 'no catalog says how this partner is asked: list it again, or give the task up');
  if (accountKey === null) return dropped(id, "the account's key is not kept any more: there is nothing to ask for");
  const { account } = ctx.catalog;
  if (location.byKeyAlone && (await hasNewerAccount(ctx.db, account, { id: erasureId, accountKey })))
    return dropped(id, "somebody new has the account's key: what is found by it would be theirs");
  const key = decodeKey(account.key, accountKey);
  let content: { keys?: string[]; values?: Record<string, string | null> } = {};
  try {
    if (taken.sealed) content = unseal(ctx.settings.secrets, id, taken.sealed) as typeof content;
  } catch {
    return later(id, 'what is sealed cannot be opened: put the secret that sealed it back into LETHE_SECRET');
  }
  if (Object.keys(location.select).length > 0 && !location.each && !content.values)
    return dropped(id, 'what select: names is not kept any more: the row is gone, and what it said was told already');
  const call: Call = {
    id,
    erasureId,
    location: name,
    account: Object.fromEntries(account.key.map((column, n) => [column.name, key[n] as string])),
    requestedAt: taken.requestedAt,
    values: content.values ?? {},
    keys: content.keys ?? null,
    cursor: taken.cursor,
    attempts: taken.attempts,
  };
  return { location, call };
}
