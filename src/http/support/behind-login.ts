import { Hono, type Context as HonoContext } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Config } from '../../config.ts';
import { ERRORS, LetheError, stackOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { deriveToken } from '../../tokens.ts';
import type { Href } from '../assets/assets.ts';
import { toLetheError } from '../server/problem.ts';
import { sayingPage, type Viewer } from '../sign-in/frame.ts';
import { ownForms } from '../sign-in/own-forms.ts';
import { claimedSessions, currentUser, type Sessions, type SignedIn } from '../sign-in/session.ts';
import { wordsOf } from './words/error-words.ts';

/** How long a person waits for a page: longer than a program, but not for ever. */
export const DEADLINE_MS = 4_000;

/** The pages load from this server only, and nothing inline; nobody may frame them. */
export const SUPPORT_POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", 'data:'],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

/** What these pages ask of whoever serves them. */
export type Guarded = Sessions & { ctx: { log: Logger }; config: Pick<Config, 'LETHE_SECRET'> };
export type SupportEnv = { Variables: { viewer: Viewer & { user: SignedIn } } };

/** What a form's token is for: this sign-in of this user, and no other. */
export const sessionOf = ({ name, expires }: SignedIn) => `${name}|${expires}`;

const isReading = (c: HonoContext) => c.req.method === 'GET' || c.req.method === 'HEAD';

/**
 * An application whose routes only those see who have signed in. Nobody keeps a copy of its pages, forms of other sites are
 * refused, and errors are told in words. `missing`: what is said about what is not there.
 */
export function behindLogin(api: Guarded, href: Href, missing: string): Hono<SupportEnv> {
  const { ctx, config } = api;
  const routes = new Hono<SupportEnv>();
  routes.use(async (c, next) => {
    c.header('Cache-Control', 'no-store');
    const see = (user: SignedIn) =>
      c.set('viewer', { user, csrf: deriveToken(config.LETHE_SECRET, 'csrf', sessionOf(user)) });
    // Set before the database is asked: when it is away, somebody who signed in is told so in words.
    const [claimed] = claimedSessions(c, config);
    if (claimed) see(claimed);
    const user = await currentUser(c, api);
    if (user) {
      see(user);
      return next();
    }
    if (isReading(c)) return c.redirect(href('/admin/login'), 303);
    throw new LetheError('unauthenticated', `sign in at ${href('/admin/login')}`);
  });
  routes.use(ownForms(config));

  // People who look get a page. Requests of forms and programs get a problem document.
  routes.onError((error, c) => {
    const clean = toLetheError(error);
    const viewer = c.get('viewer');
    if (!viewer || !isReading(c)) throw error;
    const { status, title } = ERRORS[clean.code];
    if (status >= 500)
      ctx.log.error(
        { requestId: c.get('requestId' as never), code: clean.code, detail: clean.detail, stack: stackOf(error) },
        'request failed',
      );
    c.header('Cache-Control', 'no-store');
    const words = clean.code === 'not_found' ? missing : `${wordsOf(clean.code).words} ${wordsOf(clean.code).help}`;
    return c.html(sayingPage(href, viewer.user, title, words), status as ContentfulStatusCode);
  });
  return routes;
}
