import { createRoute, z } from '@hono/zod-openapi';
import { createMiddleware } from 'hono/factory';
import { markEarlier } from '../../erasure/model/newer-account.ts';
import { STATES } from '../../erasure/model/states.ts';
import { type Filter, listErasures } from '../../erasure/progress/list.ts';
import { LetheError } from '../../errors.ts';
import { canonicalKey } from '../../keys/canonical.ts';
import { parseKey } from '../../keys/parse.ts';
import { accountDigests } from '../../tokens.ts';
import { authenticate, requireScope } from '../access/auth.ts';
import { erasureSummary } from '../bodies/representation.ts';
import { ErasureList } from '../bodies/schemas.ts';
import { publicUrl } from '../server/base-path.ts';
import { withDeadline } from '../server/deadline.ts';
import { API_KEY, noStore, problems } from './contract.ts';
import { DEADLINE_MS } from './known-erasure.ts';
import type { ApiApp, Parts } from './parts.ts';

export const listErasuresRoute = createRoute({
  method: 'get',
  path: '/v1/erasures',
  operationId: 'listErasures',
  tags: ['operations'],
  summary: 'List erasures',
  description: 'Newest first, without their progress. Scope of the key: `admin`.',
  security: [API_KEY],
  request: {
    query: z.strictObject({
      state: z
        .enum(STATES, `expected one of ${STATES.join(', ')}`)
        .optional()
        .openapi({ description: 'Only those in this state.' }),
      accountId: z
        .string()
        .optional()
        .openapi({
          description: 'Only those of this account, also when their evidence was scrubbed.',
          examples: ['4711'],
        }),
      held: z
        .enum(['true', 'false'], 'expected true or false')
        .optional()
        .openapi({ description: 'Only those on hold, or only the others.' }),
      limit: z.coerce
        .number('expected a whole number from 1 to 200')
        .int('expected a whole number from 1 to 200')
        .min(1, 'expected a whole number from 1 to 200')
        .max(200, 'expected a whole number from 1 to 200')
        .default(50)
        .openapi({ type: 'integer', minimum: 1, maximum: 200, description: 'At most this many.' }),
      cursor: z
        .uuid('expected the nextCursor of the page before')
        .optional()
        .openapi({ description: 'The `nextCursor` of the page before.' }),
    }),
  },
  responses: {
    200: {
      description: 'A page of erasures.',
      headers: {
        ...noStore,
        Link: {
          description: 'The next page, `rel="next"`; missing on the last one.',
          schema: { type: 'string', examples: ['<https://lethe.example.net/v1/erasures?cursor=…>; rel="next"'] },
        },
      },
      content: { 'application/json': { schema: ErasureList } },
    },
    ...problems(),
  },
});

/** `GET /v1/erasures`. */
export function serveListErasures(app: ApiApp, { ctx, auth, config }: Parts): void {
  const onlyAdminKeys = createMiddleware((c, next) =>
    withDeadline(
      DEADLINE_MS,
      (async () => {
        const caller = await authenticate(c, auth, ctx);
        if (caller.kind === 'account') throw new LetheError('forbidden', 'this needs an API key with the scope admin');
        requireScope(caller, 'admin');
        await next();
      })(),
    ),
  );

  /** A filter by key, and by the key's digest with every secret: the digest finds what was scrubbed. */
  const ofAccount = async (text: string) => {
    const accountKey = await canonicalKey(ctx.db, ctx.catalog.account.key, parseKey(ctx.catalog.account.key, text));
    return { accountKey, accountDigests: accountDigests(config.LETHE_SECRET, accountKey) };
  };

  app.openapi({ ...listErasuresRoute, middleware: onlyAdminKeys }, async (c) => {
    const { state, accountId, held, limit, cursor } = c.req.valid('query');
    const account: Pick<Filter, 'accountKey' | 'accountDigests'> =
      accountId === undefined ? {} : await ofAccount(accountId);
    const page = await listErasures(
      ctx.db,
      { state, held: held === undefined ? undefined : held === 'true', ...account },
      { limit, cursor },
    );
    page.erasures = await markEarlier(ctx, account.accountKey, page.erasures);
    if (page.nextCursor) {
      const query = new URLSearchParams({ ...c.req.query(), cursor: page.nextCursor });
      c.header('Link', `<${publicUrl(config)}/v1/erasures?${query}>; rel="next"`);
    }
    c.header('Cache-Control', 'no-store');
    return c.json({ erasures: page.erasures.map((e) => erasureSummary(e, true)), nextCursor: page.nextCursor }, 200);
  });
}
