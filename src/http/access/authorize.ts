import type { Context as HonoContext } from 'hono';
import { z } from 'zod';
import { type Erasure, findErasure } from '../../erasure/model/states.ts';
import { LetheError } from '../../errors.ts';
import type { Scope } from '../../settings/access.ts';
import type { Audience } from '../bodies/representation.ts';
import { parse } from '../server/problem.ts';
import { type Access, authenticate, requireOwn, requireRecentSignIn, requireScope } from './auth.ts';
import { hasStatusToken, requireOpenLink } from './status-link.ts';

const id = z.uuid('expected the id of an erasure');

/** What a request on one erasure asks of its caller. `account`: users may do it with their own erasure. */
export type Need = { scopes: Scope[]; account: boolean; token: boolean; recent: boolean };

/**
 * Who was let in: `by` in words for the event log (`account`, `status link` or `key:<name>`), `audience` for what they may
 * see. `expires`: when the credential does, in milliseconds since 1970; absent where it does not.
 */
export type Authorized = { erasure: Erasure; by: string; audience: Audience; expires?: number };

/**
 * The erasure of the path's `id` as `find` reads it, for a caller who may do this with it. Throws `invalid_request`,
 * `unauthenticated`, `forbidden`, `reauthentication_required`, `link_ended`, and `not_found` for what is not the caller's.
 */
export async function authorize(
  c: HonoContext,
  { ctx, auth }: Access,
  need: Need,
  find: (id: string) => Promise<Erasure | null> = (id) => findErasure(ctx.db, id),
): Promise<Authorized> {
  const erasureId = parse(id, c.req.param('id'), 'id');
  if (need.token && hasStatusToken(c, auth, erasureId)) {
    const found = await find(erasureId);
    if (!found) throw new LetheError('not_found', 'there is no such erasure');
    requireOpenLink(found);
    return { erasure: found, by: 'status link', audience: 'user' };
  }
  const caller = await authenticate(c, auth, ctx);
  if (caller.kind === 'account' && !need.account)
    throw new LetheError('forbidden', `this needs an API key with the scope ${need.scopes.join(' or ')}`);
  requireScope(caller, ...need.scopes);
  const erasure = await requireOwn(caller, await find(erasureId), ctx);
  if (need.recent) requireRecentSignIn(caller, auth);
  return caller.kind === 'key'
    ? { erasure, by: `key:${caller.name}`, audience: caller.scopes.includes('admin') ? 'admin' : 'key' }
    : { erasure, by: 'account', audience: 'user', expires: caller.expires };
}
