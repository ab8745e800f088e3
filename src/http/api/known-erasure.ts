import type { Context as HonoContext } from 'hono';
import { createMiddleware } from 'hono/factory';
import { type Erasure, findErasure, isFinal } from '../../erasure/model/states.ts';
import type { Seen } from '../../erasure/progress/look.ts';
import { LetheError } from '../../errors.ts';
import { type Authorized, authorize, type Need } from '../access/authorize.ts';
import { type Audience, erasureFor } from '../bodies/representation.ts';
import { createSharedLook } from '../live/shared-look.ts';
import { withDeadline } from '../server/deadline.ts';
import type { ApiEnv, Parts } from './parts.ts';

/** A request is answered within this time, or with `database_unavailable`. */
export const DEADLINE_MS = 1_800;

/** What an operator's action asks of its caller. */
export const ADMIN: Need = { scopes: ['admin'], account: false, token: false, recent: false };

/** `leftMs`: what is left of the deadline after the caller was let in. */
type Known = Authorized & { leftMs: number };
type KnownContext = HonoContext<ApiEnv & { Variables: Known }>;

export type KnownErasures = ReturnType<typeof knownErasures>;

/** What the routes below `/v1/erasures/{id}` share: who is let in, and what they answer. */
export function knownErasures({ ctx, auth }: Pick<Parts, 'ctx' | 'auth'>) {
  const look = createSharedLook(ctx);

  /** Lets in who may do this. It runs before the validators: others learn nothing about what would be valid. */
  const only = (need: Need) =>
    createMiddleware<{ Variables: Known }>(async (c, next) => {
      const begun = performance.now();
      const { erasure, by, audience } = await withDeadline(DEADLINE_MS, authorize(c, { ctx, auth }, need));
      c.set('erasure', erasure);
      c.set('by', by);
      c.set('audience', audience);
      c.set('leftMs', DEADLINE_MS - (performance.now() - begun));
      await next();
    });

  /** It runs after the body was read. A client that sends slowly must not be told that the database is away. */
  const inTime = createMiddleware<{ Variables: Known }>((c, next) => withDeadline(c.get('leftMs'), next()));
  const onlyInTime = (need: Need): [ReturnType<typeof only>, typeof inTime] => [only(need), inTime];

  /** The erasure as it is now. */
  const find = async (id: string) => (await findErasure(ctx.db, id)) as Erasure;

  /** The erasure and its progress as they are now. `now`: the erasure as a statement has just returned it. */
  const show = async (c: KnownContext, now?: Erasure) => {
    const { erasure, progress } = (await look(c.get('erasure').id)) as Seen;
    return represent(c, { erasure: now ?? erasure, progress }, c.get('audience'));
  };

  /** The body of an answer that shows an erasure; sets the headers that go with it. */
  const represent = (c: HonoContext, { erasure, progress }: Seen, audience: Audience) => {
    if (!isFinal(erasure.state)) c.header('Retry-After', erasure.state === 'running' ? '2' : '30');
    c.header('Cache-Control', 'no-store');
    return erasureFor(audience, ctx.catalog, erasure, progress);
  };

  return { look, only, inTime, onlyInTime, find, show, represent };
}

/** Throws `on_hold` for an erasure that is held. */
export function refuseHeld(erasure: Erasure): void {
  if (erasure.heldAt) throw new LetheError('on_hold', 'the erasure is on hold; lift the hold first');
}
