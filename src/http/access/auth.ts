import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context as HonoContext } from 'hono';
import type { Config } from '../../config.ts';
import type { Context } from '../../erasure/model/context.ts';
import { isOfEarlierAccount } from '../../erasure/model/newer-account.ts';
import type { Erasure } from '../../erasure/model/states.ts';
import { LetheError } from '../../errors.ts';
import { canonicalKey } from '../../keys/canonical.ts';
import { parseKey } from '../../keys/parse.ts';
import type { Scope } from '../../settings/access.ts';
import { type Claims, NotOurs, type VerifyJwt } from './jwt.ts';

/** Who asks: the account itself, or a program with a key. */
export type Caller =
  | { kind: 'account'; accountKey: string; authTime: number | undefined; expires: number }
  | { kind: 'key'; name: string; scopes: readonly Scope[] };

export type AuthConfig = Pick<
  Config,
  'LETHE_API_KEYS' | 'LETHE_MAX_AUTH_AGE' | 'LETHE_SECRET' | 'LETHE_PARTNER_SECRET'
> & {
  verifyJwt: VerifyJwt;
};

/** What it takes to tell who asks, and what is theirs. */
export type Access = { ctx: Context; auth: AuthConfig };

/** A credential that is genuine: an API key, or a JWT whose `sub` has not been looked up. */
export type Credential = { kind: 'key'; name: string; scopes: readonly Scope[] } | ({ kind: 'jwt' } & Claims);

const denied = (detail: string) => new LetheError('unauthenticated', detail);

/** Reads `Authorization: Bearer`: a JWT of three parts, anything else an API key. Throws `unauthenticated`. */
export async function authenticate(c: HonoContext, config: AuthConfig, ctx: Context): Promise<Caller> {
  const credential = await readCredential(c, config);
  if (credential.kind === 'key') return credential;
  const { sub, authTime, expires } = credential;
  return { kind: 'account', accountKey: await accountOf(sub, ctx), authTime, expires };
}

const BEARER = /^Bearer ([\x21-\x7e]{1,8192})$/i;
/** The token of `Authorization: Bearer`; undefined where there is none. */
export const bearerOf = (c: HonoContext): string | undefined => BEARER.exec(c.req.header('Authorization') ?? '')?.[1];

/** The credential of each request. The limits and the route both ask for it; its signature is checked once. */
const read = new WeakMap<object, Promise<Credential>>();

/** The request's credential, without a look into the database. Throws `unauthenticated` and `keys_unavailable`. */
export function readCredential(c: HonoContext, config: AuthConfig): Promise<Credential> {
  const known = read.get(c.req);
  if (known) return known;
  const credential = verify(bearerOf(c), config);
  read.set(c.req, credential);
  return credential;
}

async function verify(bearer: string | undefined, config: AuthConfig): Promise<Credential> {
  if (!bearer) throw denied('send Authorization: Bearer with a JWT or an API key');
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(bearer)) return verifyApiKey(bearer, config);
  return { kind: 'jwt', ...(await config.verifyJwt(bearer)) };
}

/** Compares with every key, each in constant time, so that timing tells neither which nor how much matched. */
function verifyApiKey(key: string, config: AuthConfig): Credential {
  const given = createHash('sha256').update(key).digest();
  let found: AuthConfig['LETHE_API_KEYS'][number] | undefined;
  for (const candidate of config.LETHE_API_KEYS) {
    if (timingSafeEqual(given, Buffer.from(candidate.hash, 'hex'))) found = candidate;
  }
  if (!found) throw new NotOurs('the API key is not known');
  return { kind: 'key', name: found.name, scopes: found.scopes };
}

async function accountOf(sub: string, ctx: Context): Promise<string> {
  try {
    const columns = ctx.catalog.account.key;
    return await canonicalKey(ctx.db, columns, parseKey(columns, sub, 'sub'));
  } catch (error) {
    if (error instanceof LetheError && error.code === 'invalid_request') throw denied('the JWT is not valid (sub)');
    throw error;
  }
}

/** Throws `reauthentication_required` for an account whose sign-in is old: what a stolen session erases cannot be undone. */
export function requireRecentSignIn(caller: Caller, config: AuthConfig): void {
  if (caller.kind !== 'account') return;
  const maxAge = config.LETHE_MAX_AUTH_AGE / 1000;
  if (
    caller.authTime === undefined ||
    Date.now() / 1000 - caller.authTime > maxAge ||
    caller.authTime > Date.now() / 1000 + 60
  ) {
    throw new LetheError(
      'reauthentication_required',
      `sign in again: auth_time must be younger than ${maxAge} seconds`,
      { maxAge },
    );
  }
}

/** `admin` includes the other scopes. Throws `forbidden` when a key lacks them all. */
export function requireScope(caller: Caller, ...scopes: Scope[]): void {
  if (caller.kind === 'key' && !caller.scopes.some((s) => s === 'admin' || scopes.includes(s))) {
    throw new LetheError('forbidden', `the API key needs the scope ${scopes.join(' or ')}`);
  }
}

/** The erasure, if the caller may know of it. Throws `not_found` for somebody else's, also for an earlier owner of the key. */
export async function requireOwn(caller: Caller, found: Erasure | null, ctx: Context): Promise<Erasure> {
  if (found && (caller.kind === 'key' || (await isTheirs(caller.accountKey, found, ctx)))) return found;
  throw new LetheError('not_found', 'there is no such erasure');
}

const isTheirs = async (accountKey: string, found: Erasure, ctx: Context): Promise<boolean> =>
  found.accountKey !== null && found.accountKey === accountKey && !(await isOfEarlierAccount(ctx, found));
