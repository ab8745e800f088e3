import { sql } from 'drizzle-orm';
import { Hono } from 'hono';
import { pendingMigrations } from '../../db/migrate.ts';
import type { Api } from '../api.ts';
import { withDeadline } from '../deadline.ts';

const DEADLINE_MS = 1_500;

/** `/healthz`: the process answers. `/readyz`: it can take requests; without Redis it still can. */
export function healthRoutes(api: Api): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ status: 'ok' }));

  app.get('/readyz', async (c) => {
    const [postgres, migrations, redis] = await Promise.all([
      check(async () => void (await api.ctx.db.execute(sql`SELECT 1`))),
      check(async () => {
        if ((await pendingMigrations(api.ctx.db)) > 0) throw new Error('pending');
      }),
      check(async () => void (await api.producers.redis.ping())),
    ]);
    const ready = postgres && migrations;
    const status = !ready ? 'unavailable' : redis ? 'ok' : 'degraded';
    const word = (ok: boolean) => (ok ? 'ok' : 'away');
    c.header('Cache-Control', 'no-store');
    return c.json(
      { status, postgres: word(postgres), migrations: migrations ? 'ok' : 'pending', redis: word(redis) },
      ready ? 200 : 503,
    );
  });
  return app;
}

const check = (probe: () => Promise<void>) =>
  withDeadline(DEADLINE_MS, probe()).then(
    () => true,
    () => false,
  );
