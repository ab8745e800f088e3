import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context as HonoContext, MiddlewareHandler } from 'hono';
import { RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import type { Config } from '../config.ts';
import { LetheError } from '../errors.ts';
import { deriveToken } from '../tokens.ts';
import type { Api } from './api.ts';
import { hasStatusToken, readCredential } from './auth.ts';
import { clientAddress } from './client-address.ts';
import { NotOurs } from './jwt.ts';
import { createAskRedis, deadlineFromNow } from './patience.ts';
import { problem } from './problem.ts';

const WINDOW_SECONDS = 60;
/** An address may present a tenth as many credentials that are not genuine as it may send requests. */
const FAILED_SHARE = 10;
const MOST_PROVEN = 10_000;
const ERASURE = /^\/(?:v1\/erasures|status)\/([\da-f-]{36})(?:\/|$)/i;

/** Who sends this request, as `clientAddress` says it. */
export const addressOf = (c: HonoContext, config: Pick<Config, 'LETHE_TRUSTED_PROXIES'>): string =>
  clientAddress(getConnInfo(c).remote.address, c.req.header('X-Forwarded-For'), config.LETHE_TRUSTED_PROXIES);

/** A name under which Redis counts, of which nothing can be read back: keyed with the first secret. */
export const countedAs = (api: Api, ...who: string[]) => deriveToken(api.config.LETHE_SECRET, 'rate', who.join('\n'));

/**
 * `LETHE_RATE_LIMIT` requests a minute for each caller, in all API processes together. Callers are told apart
 * after their credential was verified — a key by its name, an account by its `sub`, a status link by its erasure —
 * so that nobody uses up what is another's; everybody else counts as their address. Credentials that are not genuine
 * count against the address a second time, with less room: when it is used up, only a credential that has proved
 * itself before is looked at. Without Redis all are let through. Answers 429 `rate_limited`.
 */
export function rateLimit(api: Api): MiddlewareHandler {
  const limit = api.config.LETHE_RATE_LIMIT;
  const askRedis = createAskRedis(api.ctx.log, 'rate limits are off');
  const counter = (name: string, points: number) =>
    new RateLimiterRedis({
      storeClient: api.producers.redis,
      keyPrefix: `${api.config.LETHE_REDIS_PREFIX}:rate:${name}`,
      points,
      duration: WINDOW_SECONDS,
    });
  const requests = counter('requests', limit);
  const failures = counter('failures', Math.ceil(limit / FAILED_SHARE));
  const proven = createProven();

  return async (c, next) => {
    const deadline = deadlineFromNow();
    const address = addressOf(c, api.config);
    const presented = credentialOf(c);
    if (presented !== '' && !proven.has(countedAs(api, presented))) {
      const failed = await askRedis(() => failures.get(countedAs(api, address)), deadline);
      if (failed && failed.consumedPoints >= failures.points) return refuse(c, failures, failed);
    }
    const caller = await identify(c, api);
    if (caller.genuine) proven.add(countedAs(api, presented));
    else if (caller.guessed) await askRedis(() => failures.penalty(countedAs(api, address)), deadline);
    const key = countedAs(api, caller.genuine ? caller.name : `address:${address}`);
    const used = await askRedis(() => requests.penalty(key), deadline);
    if (used && used.consumedPoints > limit) return refuse(c, requests, used);
    await next();
    if (used) show(c.res.headers, requests, used);
  };
}

type Identity = { genuine: true; name: string } | { genuine: false; guessed: boolean };

/** All that the request shows to be let in; '' when it shows nothing. */
const credentialOf = (c: HonoContext): string =>
  [
    c.req.header('Authorization'),
    c.req.query('token') === undefined ? undefined : `${c.req.path}?${c.req.query('token')}`,
  ]
    .filter(Boolean)
    .join('\n');

async function identify(c: HonoContext, api: Api): Promise<Identity> {
  const erasureId = ERASURE.exec(c.req.path)?.[1];
  try {
    if (erasureId && hasStatusToken(c, api.auth, erasureId)) return { genuine: true, name: `erasure:${erasureId}` };
  } catch {
    return { genuine: false, guessed: true };
  }
  try {
    const credential = await readCredential(c, api.auth);
    return { genuine: true, name: credential.kind === 'key' ? `key:${credential.name}` : `account:${credential.sub}` };
  } catch (error) {
    // A JWT that has expired was not guessed: a page left open must not close the door to its whole office.
    return { genuine: false, guessed: error instanceof NotOurs };
  }
}

function refuse(c: HonoContext, counter: RateLimiterRedis, used: RateLimiterRes): Response {
  const seconds = secondsLeft(used);
  const answer = problem(
    c,
    new LetheError('rate_limited', `at most ${counter.points} in ${WINDOW_SECONDS} seconds; try again in ${seconds}`, {
      retryAfter: seconds,
    }),
  );
  answer.headers.set('Retry-After', String(seconds));
  show(answer.headers, counter, used);
  return answer;
}

/** The three fields of draft-ietf-httpapi-ratelimit-headers-06, which clients know; later drafts have no users yet. */
function show(headers: Headers, counter: RateLimiterRedis, used: RateLimiterRes): void {
  headers.set('RateLimit-Limit', String(counter.points));
  headers.set('RateLimit-Remaining', String(Math.max(0, counter.points - used.consumedPoints)));
  headers.set('RateLimit-Reset', String(secondsLeft(used)));
}

const secondsLeft = (used: RateLimiterRes) => Math.max(1, Math.ceil(used.msBeforeNext / 1000));

/**
 * Credentials that were genuine in this process: whoever tries keys from an address must not lock out those who share
 * it. Holds digests, the newest 10,000.
 */
function createProven() {
  const digests = new Set<string>();
  return {
    has: (digest: string) => digests.has(digest),
    add: (digest: string) => {
      digests.delete(digest);
      digests.add(digest);
      if (digests.size > MOST_PROVEN) digests.delete(digests.values().next().value as string);
    },
  };
}
