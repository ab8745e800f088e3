import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { inArray } from 'drizzle-orm';
import type { Context as HonoContext } from 'hono';
import { deleteCookie, setSignedCookie } from 'hono/cookie';
import type { Config } from '../../config.ts';
import type { DashboardRole } from '../../settings/access.ts';
import type { Database } from '../../store/client.ts';
import { idempotency } from '../../store/schema.ts';
import { deriveToken, verifyToken } from '../../tokens.ts';
import { basePath } from '../server/base-path.ts';
import { withDeadline } from '../server/deadline.ts';

export type DashboardUser = { name: string; role: DashboardRole };
/** `expires`: when the sign-in ends, in milliseconds since 1970. `id`: this sign-in's own. */
export type SignedIn = DashboardUser & { expires: number; id: string };
type SessionConfig = Pick<Config, 'LETHE_DASHBOARD_USERS' | 'LETHE_SECRET' | 'LETHE_PUBLIC_URL'>;
/** What it takes to know a sign-in, to begin one and to end one. */
export type Sessions = { ctx: { db: Database }; config: SessionConfig };

const COOKIE = 'lethe_dashboard';
const LIFE_SECONDS = 8 * 3600;
/** The cookie has a token of the password's hash. So a new password ends every sign-in with the old one, which may have leaked. */
const PURPOSE = 'dashboard password';
const DEADLINE_MS = 4_000;

/**
 * The cookie's name begins with `__Host-` where browsers enforce that. Otherwise a site below the same domain could set
 * a cookie of this name. The prefix needs https and covers the whole host, so below a folder it is left out.
 */
function cookieOf(config: SessionConfig) {
  const secure = config.LETHE_PUBLIC_URL.startsWith('https:');
  const base = basePath(config);
  return secure && base === ''
    ? ({ name: `__Host-${COOKIE}`, options: { path: '/', secure, prefix: 'host' } } as const)
    : ({ name: COOKIE, options: { path: `${base}/admin`, secure } } as const);
}

/**
 * The sign-ins that this request's cookies prove, by their signature and the configuration as it is now. Only the
 * database knows whether one has been ended. Every cookie of the name is looked at: another site may have put one in
 * front.
 */
export function claimedSessions(c: HonoContext, config: SessionConfig): SignedIn[] {
  const { name } = cookieOf(config);
  const found = new Map<string, SignedIn>();
  for (const pair of (c.req.header('Cookie') ?? '').split(';')) {
    const [key, ...value] = pair.split('=');
    const session = key?.trim() === name ? readCookie(value.join('=').trim(), config) : undefined;
    if (session) found.set(session.id, session);
  }
  return [...found.values()];
}

function readCookie(encoded: string, config: SessionConfig): SignedIn | undefined {
  const text = decoded(encoded);
  const end = text.lastIndexOf('.');
  const [value, given] = [text.slice(0, Math.max(0, end)), Buffer.from(text.slice(end + 1))];
  const signed = config.LETHE_SECRET.some((secret) => {
    const expected = Buffer.from(createHmac('sha256', secret).update(value).digest('base64'));
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  const [name, expires, proof = '', id] = value.split('|');
  const user = config.LETHE_DASHBOARD_USERS.find((u) => u.name === name);
  if (!signed || !user || !id || !(Number(expires) > Date.now())) return undefined;
  if (!verifyToken(config.LETHE_SECRET, PURPOSE, user.hash, proof)) return undefined;
  return { name: user.name, role: user.role, expires: Number(expires), id };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** Ended sign-ins are kept among the answers to idempotency keys. These are forgotten after a day, and a sign-in lives 8 hours. */
const keyOf = (session: SignedIn) => `session ended: ${createHash('sha256').update(session.id).digest('hex')}`;

/**
 * The user whose sign-in this request carries, or null. Postgres says whether it has been ended. Throws
 * `database_unavailable` where Postgres does not answer. Null, too, for the sign-ins of two people: somebody else put
 * one of them there.
 */
export async function currentUser(c: HonoContext, api: Sessions): Promise<SignedIn | null> {
  const claimed = claimedSessions(c, api.config);
  if (claimed.length === 0) return null;
  const ended = await withDeadline(
    DEADLINE_MS,
    api.ctx.db
      .select({ key: idempotency.keyHash })
      .from(idempotency)
      .where(inArray(idempotency.keyHash, claimed.map(keyOf))),
  );
  const open = claimed.filter((session) => !ended.some(({ key }) => key === keyOf(session)));
  if (new Set(open.map(({ name }) => name)).size > 1) return null;
  return open.sort((a, b) => b.expires - a.expires)[0] ?? null;
}

/** Signs the user in, and ends every sign-in that the request carried before. */
export async function startSession(c: HonoContext, api: Sessions, { name, hash }: { name: string; hash: string }) {
  await endSessions(c, api);
  const { LETHE_SECRET: secrets } = api.config;
  const expires = Date.now() + LIFE_SECONDS * 1000;
  const id = randomBytes(16).toString('base64url');
  const value = `${name}|${expires}|${deriveToken(secrets, PURPOSE, hash)}|${id}`;
  await setSignedCookie(c, COOKIE, value, secrets[0] as string, {
    ...cookieOf(api.config).options,
    httpOnly: true,
    sameSite: 'Strict',
    maxAge: LIFE_SECONDS,
  });
}

/** Ends every sign-in that the request carries. From then on a copy of the cookie opens nothing. */
async function endSessions(c: HonoContext, { ctx, config }: Sessions): Promise<void> {
  const ended = claimedSessions(c, config).map((session) => ({ keyHash: keyOf(session), fingerprint: '' }));
  if (ended.length === 0) return;
  await withDeadline(DEADLINE_MS, ctx.db.insert(idempotency).values(ended).onConflictDoNothing().execute());
}

/**
 * Signs out. The browser forgets the cookie also where the database does not answer. Then nothing ends the sign-in
 * itself: throws `database_unavailable`.
 */
export async function signOut(c: HonoContext, api: Sessions): Promise<void> {
  deleteCookie(c, COOKIE, cookieOf(api.config).options);
  await endSessions(c, api);
}
