import type { Hono } from 'hono';
import type { Context } from '../../../erasure/model/context.ts';
import { readCycles } from '../../../erasure/progress/canaries.ts';
import { readOwners } from '../../../erasure/watch/read-owners.ts';
import type { Assets } from '../../assets/assets.ts';
import { withDeadline } from '../../server/deadline.ts';
import { behindLogin, DEADLINE_MS, type Guarded, type SupportEnv } from '../behind-login.ts';
import { ownersPage } from './owners-page.ts';
import { MOST_CYCLES, testDataPage } from './test-data-page.ts';
import { untestedIn } from './untested.ts';

/** What these pages work with. What is watched is said by the process's own catalog. */
export type WatchParts = Guarded & { ctx: Pick<Context, 'db' | 'catalog' | 'declared'> };

/** `/admin/owners` behind the dashboard's login: how it stands with the owners of locations. */
export function ownersRoutes(api: WatchParts, { href }: Pick<Assets, 'href'>): Hono<SupportEnv> {
  const routes = behindLogin(api, href, 'There is no such page.');
  return routes.get('/', async (c) => {
    const owners = await withDeadline(DEADLINE_MS, readOwners(api.ctx.db));
    const declared = api.ctx.declared.owners ?? [];
    return c.html(ownersPage(href, c.get('viewer'), { owners, declared }, new Date()));
  });
}

/** `/admin/test-data` behind the dashboard's login: what was planted, and whether it was erased. */
export function testDataRoutes(api: WatchParts, { href }: Pick<Assets, 'href'>): Hono<SupportEnv> {
  const { ctx } = api;
  const routes = behindLogin(api, href, 'There is no such page.');
  return routes.get('/', async (c) => {
    const cycles = await withDeadline(DEADLINE_MS, readCycles(ctx.db, MOST_CYCLES));
    const untested = untestedIn(ctx.catalog, cycles);
    return c.html(testDataPage(href, c.get('viewer'), { canary: ctx.declared.canary, cycles, untested }, new Date()));
  });
}
