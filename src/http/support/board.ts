import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { HonoAdapter } from '@bull-board/hono';
import { serveStatic } from '@hono/node-server/serve-static';
import { Hono } from 'hono';
import { getPathNoStrict } from 'hono/utils/url';
import type { ChunkWords } from '../../erasure/model/dispatch.ts';
import { LetheError } from '../../errors.ts';
import type { Producers } from '../../jobs/redis/producers.ts';
import type { Logger } from '../../logger.ts';
import type { DashboardRole } from '../../settings/access.ts';
import type { Assets, Href } from '../assets/assets.ts';
import { PAGES } from '../sign-in/frame.ts';
import { ownForms } from '../sign-in/own-forms.ts';
import { currentUser, type Sessions } from '../sign-in/session.ts';

/** What the board works with. */
type BoardParts = Sessions & { ctx: { log: Logger }; producers: Pick<Producers, 'queues'> };

const BASE = '/admin/queues';

/**
 * What a role may call besides looking. The board itself knows only read-only or everything, and
 * everything includes adding, editing and obliterating: what is not listed here does not exist.
 */
const ALLOWED: Record<DashboardRole, RegExp[]> = {
  support: [],
  // A scheduler's job ids contain `:` and `.`, percent-encoded or not. `clean/retry` would be the board's clean of a
  // state named retry.
  ops: [/^\/api\/queues\/[\w-]+\/(?!clean\/|retry\/)[\w.:%-]+\/retry$/, /^\/api\/queues\/[\w-]+\/retry\/failed$/],
};

/** Bull Board behind the sign-in: support looks, ops may retry. Its style sheet hides what else a writable board offers. */
export function boardRoutes(api: BoardParts, { href }: Pick<Assets, 'href'>): Hono {
  const boards: Record<DashboardRole, Hono> = {
    support: createBoard(api, href, true),
    ops: createBoard(api, href, false),
  };
  const app = new Hono();
  app.use(ownForms(api.config));
  app.all('/*', async (c) => {
    const user = await currentUser(c, api);
    const path = c.req.path.slice(BASE.length);
    if (!user) {
      if (c.req.method === 'GET' && !path.startsWith('/api/')) return c.redirect(href('/admin/login'), 303);
      throw new LetheError('unauthenticated', `sign in at ${href('/admin/login')}`);
    }
    if (c.req.method !== 'GET') {
      if (!ALLOWED[user.role].some((allowed) => c.req.method === 'PUT' && allowed.test(path))) {
        throw new LetheError('forbidden', `the role ${user.role} may not do this`);
      }
      api.ctx.log.info({ user: user.name, role: user.role, path }, 'dashboard action');
    }
    const answer = await boards[user.role].fetch(c.req.raw, c.env);
    // The board answers with the driver's text when Redis is away.
    if (answer.status >= 500) throw new LetheError('redis_unavailable', 'the queues cannot be read; try again');
    if (!answer.headers.get('Content-Type')?.includes('text/html')) return answer;
    const sheet = `<link rel="stylesheet" href="${href('board.css')}"></head>`;
    return c.html((await answer.text()).replace('</head>', sheet));
  });
  return app;
}

function createBoard(api: BoardParts, href: Href, readOnly: boolean): Hono {
  const adapter = new HonoAdapter(serveStatic);
  const queues = Object.values(api.producers.queues).map((queue) => {
    const shown = new BullMQAdapter(queue, {
      readOnlyMode: readOnly,
      allowRetries: !readOnly,
      description: DESCRIPTIONS[queue.name] ?? '',
    });
    shown.setFormatter('name', nameOf);
    return shown;
  });
  const uiBasePath = dirname(createRequire(import.meta.url).resolve('@bull-board/ui/package.json'));
  createBullBoard({
    queues,
    serverAdapter: adapter,
    options: {
      uiBasePath,
      uiConfig: {
        boardTitle: 'Lethe',
        hideDocsLink: true,
        miscLinks: Object.entries(PAGES)
          .filter(([path]) => path !== BASE)
          .map(([path, text]) => ({ text, url: href(path as keyof typeof PAGES) })),
      },
    },
  });
  // The page and the routes of its files know one base only: the browser's.
  adapter.setBasePath(href(BASE));
  // Not strict: the page's own links home end with a slash.
  const getPath = (request: Request) => href(getPathNoStrict(request) as `/${string}`);
  return new Hono({ getPath }).route(href(BASE), adapter.registerPlugin());
}

/** A chunk's job is named by its location and range, any other job by its name. */
function nameOf({ name, data }: { name: string; data?: Partial<ChunkWords> }): string {
  const { location, pass, range, rows } = data ?? {};
  if (location === undefined) return name;
  return `${name} ${location}, range ${range}${pass === 1 ? '' : ` of pass ${pass}`}, ${rows?.toLocaleString('en-US')} rows`;
}

const DESCRIPTIONS: Record<string, string> = {
  erasures: 'One parent per window of an erasure; its progress is the erasure’s',
  chunks: 'Key ranges of one location, deleted slice by slice',
  partners: 'Calls to other systems: sign-out at the application',
  mail: 'Confirmation mails',
  housekeeping: 'The hourly sweep',
  dataset: 'The daily dataset',
};
