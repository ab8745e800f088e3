import type { Hono, Context as HonoContext } from 'hono';
import { validate as isUuid } from 'uuid';
import { isOfPartners, replayAsItIs } from '../../erasure/accept/replay-as-it-is.ts';
import { notHeld, startErasure } from '../../erasure/accept/start.ts';
import { holdErasure, releaseErasure } from '../../erasure/model/hold.ts';
import { parseReason, REASON_EXPECTED } from '../../erasure/model/hold-reason.ts';
import { markEarlier } from '../../erasure/model/newer-account.ts';
import { type Erasure, findErasure } from '../../erasure/model/states.ts';
import { hasPartners } from '../../erasure/progress/asked.ts';
import { LetheError } from '../../errors.ts';
import type { Enqueue } from '../../jobs/enqueue.ts';
import { verifyToken } from '../../tokens.ts';
import type { Assets } from '../assets/assets.ts';
import { withDeadline } from '../server/deadline.ts';
import { toLetheError } from '../server/problem.ts';
import { ERASURES } from '../sign-in/frame.ts';
import { type Action, confirmPage, isAction, isNotice, type Notice, noticeOf, WORDS } from './actions.ts';
import { behindLogin, DEADLINE_MS, type Guarded, type SupportEnv, sessionOf } from './behind-login.ts';
import { detailPage } from './detail.ts';
import { listPage } from './list.ts';
import { readDetail } from './read-detail.ts';
import { parseSearch, runSearch, type Searched } from './search.ts';

/** What the support page works with. */
export type SupportParts = Searched & Guarded & { enqueue: Pick<Enqueue, 'dispatch'> };

/** `/admin/erasures` behind the dashboard's login: `support` looks, `ops` may also replay, start, hold and release. */
export function supportRoutes(api: SupportParts, { href }: Assets): Hono<SupportEnv> {
  const { ctx, config, enqueue } = api;
  const routes = behindLogin(api, href, 'There is no such erasure.');

  const find = async (c: HonoContext): Promise<Erasure> => {
    const id = c.req.param('id') ?? '';
    const found = isUuid(id) ? await withDeadline(DEADLINE_MS, findErasure(ctx.db, id)) : null;
    if (!found) throw new LetheError('not_found', 'there is no such erasure');
    return found;
  };

  /** The path's action, for somebody who may do it. */
  const requireAction = (c: HonoContext<SupportEnv>): Action => {
    const action = c.req.param('action') ?? '';
    if (!isAction(action)) throw new LetheError('not_found', 'there is no such action');
    const { role } = c.get('viewer').user;
    if (role !== 'ops') throw new LetheError('forbidden', `the role ${role} may not do this`);
    return action;
  };

  /** What is completed is replayed only where it has partners. */
  const fits = async (action: Action, of: Erasure): Promise<boolean> =>
    WORDS[action].fits(of) &&
    (action !== 'replay' || of.state !== 'completed' || (await withDeadline(DEADLINE_MS, hasPartners(ctx, of.id))));

  /** Does it; the answer is what to tell. Throws what is not about the erasure. */
  const act = async (action: Action, seen: Erasure, by: string, reason: string): Promise<Notice> => {
    const { id } = seen;
    if (action === 'hold') {
      await holdErasure(ctx, id, by, reason);
      return 'hold';
    }
    const dispatch =
      action === 'release'
        ? (await releaseErasure(ctx, id, by)).dispatch
        : action === 'replay'
          ? await replayAsItIs(ctx, seen, by)
          : await startErasure(ctx, id, notHeld, by);
    if (dispatch) void enqueue.dispatch(dispatch);
    if (action === 'replay' && isOfPartners(seen)) return 'asked';
    if (dispatch || action === 'release') return action;
    // Somebody was faster, or the application holds the account.
    const now = await findErasure(ctx.db, id);
    if (now?.state === 'running') return action;
    return now?.heldAt ? 'on_hold' : 'unfit';
  };

  routes.get('/', async (c) => {
    const found = await withDeadline(DEADLINE_MS, runSearch(api, parseSearch(c.req.query())));
    if ('erasureId' in found) return c.redirect(href(`${ERASURES}/${found.erasureId}`), 303);
    return c.html(listPage(href, c.get('viewer'), found, new Date()));
  });

  routes.get('/:id', async (c) => {
    const found = await find(c);
    const [erasure = found] = await withDeadline(DEADLINE_MS, markEarlier(ctx, found.accountKey, [found]));
    const read = await withDeadline(DEADLINE_MS, readDetail(ctx, erasure));
    const asked = c.req.query('notice');
    const notice = isNotice(asked) ? asked : undefined;
    return c.html(detailPage(href, c.get('viewer'), { ...read, notice }, new Date()));
  });

  routes.get('/:id/:action', async (c) => {
    const action = requireAction(c);
    const erasure = await find(c);
    if (!(await fits(action, erasure))) return c.redirect(href(`${ERASURES}/${erasure.id}?notice=unfit`), 303);
    return c.html(confirmPage(href, c.get('viewer'), erasure, action));
  });

  routes.post('/:id/:action', async (c) => {
    const { user } = c.get('viewer');
    const action = requireAction(c);
    // What cannot be read as a form carries no token.
    const form: Record<string, unknown> = await c.req.parseBody().catch(() => ({}));
    if (!verifyToken(config.LETHE_SECRET, 'csrf', sessionOf(user), String(form.csrf ?? '')))
      throw new LetheError('forbidden', 'this form is not of this sign-in: go back, load the page again, and repeat');
    const erasure = await find(c);
    const tell = (notice: Notice) => c.redirect(href(`${ERASURES}/${erasure.id}?notice=${notice}`), 303);
    if (!(await fits(action, erasure))) return tell('unfit');
    const reason = action === 'hold' ? reasonOf(form.reason) : '';
    if (typeof reason !== 'string') return c.html(confirmPage(href, c.get('viewer'), erasure, action, reason), 422);
    ctx.log.info({ user: user.name, role: user.role, action, erasureId: erasure.id }, 'dashboard action');
    return withDeadline(DEADLINE_MS, act(action, erasure, `user:${user.name}`, reason)).then(tell, (error: unknown) => {
      const notice = noticeOf(toLetheError(error).code);
      if (!notice) throw error;
      return tell(notice === 'unfit' && isOfPartners(erasure) ? 'nobody' : notice);
    });
  });
  return routes;
}

/** The reason for a hold, or what is wrong with it and what was typed. */
function reasonOf(given: unknown): string | { problem: string; reason: string } {
  const typed = typeof given === 'string' ? given : '';
  return parseReason(typed) ?? { problem: `The reason: ${REASON_EXPECTED}.`, reason: typed };
}
