import { Hono, type MiddlewareHandler } from 'hono';
import { deleteCookie, getSignedCookie, setSignedCookie } from 'hono/cookie';
import { csrf } from 'hono/csrf';
import { html } from 'hono/html';
import type { Config, DashboardRole } from '../config.ts';
import { LetheError } from '../errors.ts';
import { hashPassword, verifyPassword } from './password.ts';

export type DashboardUser = { name: string; role: DashboardRole };
type LoginConfig = Pick<Config, 'LETHE_DASHBOARD_USERS' | 'LETHE_SECRET' | 'LETHE_PUBLIC_URL'>;

const COOKIE = 'lethe_dashboard';
const LIFE_SECONDS = 8 * 3600;
/** Compared when the name is unknown, so that timing does not tell names apart. */
const NOBODY = hashPassword('nobody');

const page = (failed: boolean) => html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Lethe: sign in</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:20em;margin:15vh auto;padding:0 1em;color-scheme:light dark}
label{display:block;margin:1em 0 .25em}input{font:inherit;width:100%;box-sizing:border-box;padding:.5em}
button{font:inherit;margin-top:1.5em;padding:.5em 1.5em}[role=alert]{color:#c00}</style></head>
<body><h1>Lethe</h1>${failed ? html`<p role="alert">Name or password is wrong.</p>` : ''}
<form method="post" action="/admin/login"><label for="name">Name</label><input id="name" name="name" autocomplete="username" required>
<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button></form></body></html>`;

/** Attempts that may wait for their turn. */
const MOST_WAITING = 10;
let waiting = 0;
let turn: Promise<unknown> = Promise.resolve();

/**
 * One attempt at a time, and few in line: each costs 32 MB and a tenth of a second of a processor, which anybody
 * could make us spend. Throws `too_many_attempts`.
 */
async function inTurn<T>(attempt: () => Promise<T>): Promise<T> {
  if (waiting >= MOST_WAITING) throw new LetheError('too_many_attempts', 'too many sign-ins at once; try again');
  waiting += 1;
  const mine = turn.then(attempt).finally(() => {
    waiting -= 1;
  });
  turn = mine.catch(() => 'the next one has its turn all the same');
  return mine;
}

/** The user whose signed cookie this request carries, with the role that the configuration gives now. */
export async function currentUser(
  c: Parameters<MiddlewareHandler>[0],
  config: LoginConfig,
): Promise<DashboardUser | null> {
  for (const secret of config.LETHE_SECRET) {
    const value = await getSignedCookie(c, secret, COOKIE);
    if (!value) continue;
    const [name, expires] = value.split('|');
    const user = config.LETHE_DASHBOARD_USERS.find((u) => u.name === name);
    return user && Number(expires) > Date.now() ? { name: user.name, role: user.role } : null;
  }
  return null;
}

/** `/admin/login` and `/admin/logout`: a form, and a cookie that is signed and stays on this site. */
export function loginRoutes(config: LoginConfig): Hono {
  const app = new Hono();
  const secure = config.LETHE_PUBLIC_URL.startsWith('https:');
  const options = { path: '/admin', httpOnly: true, sameSite: 'Strict', secure, maxAge: LIFE_SECONDS } as const;
  app.use(csrf());

  app.get('/login', (c) => c.html(page(false)));
  app.post('/login', async (c) => {
    // What cannot be read as a form names nobody.
    const form: Record<string, unknown> = await c.req.parseBody().catch(() => ({}));
    const user = config.LETHE_DASHBOARD_USERS.find((u) => u.name === form.name);
    const valid = await inTurn(async () => verifyPassword(String(form.password ?? ''), user?.hash ?? (await NOBODY)));
    if (!user || !valid) return c.html(page(true), 401);
    await setSignedCookie(
      c,
      COOKIE,
      `${user.name}|${Date.now() + LIFE_SECONDS * 1000}`,
      config.LETHE_SECRET[0] as string,
      options,
    );
    return c.redirect('/admin/queues', 303);
  });
  app.post('/logout', (c) => {
    deleteCookie(c, COOKIE, { path: '/admin' });
    return c.redirect('/admin/login', 303);
  });
  return app;
}
