import { Hono, type Context as HonoContext, type MiddlewareHandler } from 'hono';
import type { Config } from '../../config.ts';
import { cancelErasure } from '../../erasure/accept/cancel.ts';
import { notHeld, startErasure } from '../../erasure/accept/start.ts';
import type { Context } from '../../erasure/model/context.ts';
import { type Erasure, findErasure } from '../../erasure/model/states.ts';
import { forUser } from '../../erasure/progress/for-user.ts';
import { look } from '../../erasure/progress/look.ts';
import { type ErrorCode, LetheError } from '../../errors.ts';
import type { Enqueue } from '../../jobs/enqueue.ts';
import { verifyToken } from '../../tokens.ts';
import { requireOpenLink } from '../access/status-link.ts';
import type { Assets } from '../assets/assets.ts';
import { withDeadline } from '../server/deadline.ts';
import { toLetheError } from '../server/problem.ts';
import {
  confirmPage,
  endedPage,
  failedPage,
  type Links,
  missingPage,
  type Site,
  statusPage,
  unavailablePage,
} from './page.ts';
import { isNotice, type Notice, viewStatus } from './view.ts';

/** Longer than the API's. A person waits for a page; a program has a timeout. */
const DEADLINE_MS = 4_000;
const RETRY_SECONDS = 5;
const PREFIX = '/status/';
const PROBLEM_TYPE = 'application/problem+json';

/** A page may load from this server only, and nothing inline. Its forms go to this server only. */
export const STATUS_POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

/** What the status page works with. */
export type StatusParts = {
  ctx: Context;
  config: Pick<Config, 'LETHE_BRAND_NAME' | 'LETHE_BRAND_URL' | 'LETHE_SECRET'>;
  enqueue: Pick<Enqueue, 'dispatch'>;
};

export type StatusPages = {
  routes: Hono;
  /** For everything below `/status/`, also what other middleware refuses. People are never shown a problem document. */
  inWords: MiddlewareHandler;
};

/**
 * `/status/{id}`: the erasure for the person whose account it is. The token of the link is the only capability. No
 * cookie is read, so another site can do nothing that it could not do with the link itself. A check of `Origin` would
 * refuse people instead: with `Referrer-Policy: no-referrer` browsers send `null`.
 */
export function statusPages({ ctx, config, enqueue }: StatusParts, assets: Assets): StatusPages {
  const site: Site = { brand: config.LETHE_BRAND_NAME, brandUrl: config.LETHE_BRAND_URL, href: assets.href };
  const routes = new Hono();

  const linksOf = (id: string, token: string): Links => {
    const page = assets.href(`${PREFIX}${id}`);
    const query = `?token=${encodeURIComponent(token)}`;
    return {
      self: `${page}${query}`,
      undo: `${page}/undo`,
      start: `${page}/start`,
      askStart: `${page}/start${query}`,
      events: assets.href(`/v1/erasures/${id}/events${query}`),
      token,
    };
  };

  const requireToken = (id: string, token: unknown): string => {
    if (typeof token === 'string' && verifyToken(config.LETHE_SECRET, 'status', id, token)) return token;
    throw noSuchPage();
  };

  const find = async (id: string): Promise<Erasure> => {
    const found = await findErasure(ctx.db, id);
    if (!found) throw noSuchPage();
    requireOpenLink(found);
    return found;
  };

  /** Does what a form asks and sends the browser back to the page, which shows how things stand. */
  const act = async (c: HonoContext, action: (found: Erasure) => Promise<Notice | null>) => {
    const id = c.req.param('id') as string;
    // What cannot be read as a form carries no token.
    const form: Record<string, unknown> = await c.req.parseBody().catch(() => ({}));
    const token = requireToken(id, form.token);
    const notice = await withDeadline(DEADLINE_MS, find(id).then(action)).catch((error: unknown) => {
      const clean = toLetheError(error);
      if (clean.code === 'not_found' || clean.code === 'link_ended') throw clean;
      ctx.log.warn(
        { requestId: c.get('requestId'), erasureId: id, code: clean.code },
        'an action of the status page failed',
      );
      return noticeOf(clean.code);
    });
    return c.redirect(`${linksOf(id, token).self}${notice ? `&notice=${notice}` : ''}`, 303);
  };

  routes.get('/:id', async (c) => {
    const id = c.req.param('id');
    const token = requireToken(id, c.req.query('token'));
    const seen = await withDeadline(DEADLINE_MS, look(ctx, id));
    if (!seen) throw noSuchPage();
    requireOpenLink(seen.erasure);
    const view = viewStatus(seen.erasure, forUser(ctx.catalog, seen.progress), new Date());
    const notice = c.req.query('notice');
    return c.html(statusPage(site, linksOf(id, token), view, id, isNotice(notice) ? notice : undefined));
  });

  routes.get('/:id/start', async (c) => {
    const id = c.req.param('id');
    const links = linksOf(id, requireToken(id, c.req.query('token')));
    const found = await withDeadline(DEADLINE_MS, find(id));
    if (found.state !== 'scheduled' || found.heldAt) return c.redirect(links.self, 303);
    return c.html(confirmPage(site, links, id));
  });

  routes.post('/:id/undo', (c) =>
    act(c, async (found) => {
      if (found.state === 'cancelled') return null;
      await cancelErasure(ctx, found, 'status link');
      return null;
    }),
  );

  routes.post('/:id/start', (c) =>
    act(c, async ({ id }) => {
      const dispatch = await startErasure(ctx, id, notHeld, 'status link');
      if (dispatch) void enqueue.dispatch(dispatch);
      const { state, heldAt } = await find(id);
      if (state === 'cancelled') return 'undone';
      return state === 'scheduled' && heldAt ? 'held' : null;
    }),
  );

  const inWords: MiddlewareHandler = async (c, next) => {
    await next();
    if (c.res.headers.get('Content-Type') === PROBLEM_TYPE) await putInWords(c, site);
    c.res.headers.set('Cache-Control', 'no-store');
    c.res.headers.set('X-Robots-Tag', 'noindex');
  };
  return { routes, inWords };
}

const noSuchPage = () => new LetheError('not_found', 'there is no such page');

/** What to tell somebody whose action was refused. */
function noticeOf(code: ErrorCode): Notice {
  if (code === 'already_started') return 'late';
  if (code === 'account_busy' || code === 'contended') return 'busy';
  return code === 'on_hold' ? 'held' : 'unclear';
}

/** Replaces a problem document by a page. */
async function putInWords(c: HonoContext, site: Site): Promise<void> {
  const { status, headers } = c.res;
  const later = status === 503 || status === 429;
  // An id that does not exist and a token that is wrong must look the same.
  const missing = status === 401 || status === 404;
  const seconds = Math.max(RETRY_SECONDS, Number(headers.get('Retry-After') ?? 0));
  const page = missing
    ? missingPage(site)
    : status === 410
      ? endedPage(site)
      : later
        ? unavailablePage(site, seconds)
        : failedPage(site);
  // The headers of the answer that it replaces stay, but for its type.
  c.res = new Response(String(await page), {
    status: missing ? 404 : status,
    headers: { 'Content-Type': 'text/html; charset=UTF-8' },
  });
  c.res.headers.delete('WWW-Authenticate');
  if (later) c.res.headers.set('Retry-After', String(seconds));
}
