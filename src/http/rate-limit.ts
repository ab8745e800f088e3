import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context as HonoContext, MiddlewareHandler } from 'hono';
import { RateLimiterRedis, type RateLimiterRes } from 'rate-limiter-flexible';
import { LetheError } from '../errors.ts';
import { deriveToken } from '../tokens.ts';
import type { Api } from './api.ts';
import { bearerOf, hasStatusToken, readCredential } from './auth.ts';
import { clientAddress } from './client-address.ts';
import { NotOurs } from './jwt.ts';
import { createAskRedis, deadlineFromNow } from './patience.ts';
import { problem } from './problem.ts';

const WINDOW_SECONDS = 60;
/** An address may present a tenth as many credentials that are not genuine as it may send requests. */
const FAILED_SHARE = 10;
const MOST_PROVEN = 10_000;
const ERASURE = /^\/(?:v1\/erasures|status)\/([\da-f-]{36})(?:\/|$)/i;

const told = new WeakSet<Api>();

/** Who sends this request, as `clientAddress` says it. */
export function addressOf(c: HonoContext, api: Api): string {
  const forwardedFor = c.req.header('X-Forwarded-For');
  const proxies = api.config.LETHE_TRUSTED_PROXIES;
  // Behind a proxy all callers would share one budget, and nobody would know why. Once: anybody can send the header.
  if (forwardedFor !== undefined && proxies === 0 && !told.has(api)) {
    told.add(api);
    api.ctx.log.warn('X-Forwarded-For is ignored: set LETHE_TRUSTED_PROXIES when a proxy is in front');
  }
  return clientAddress(getConnInfo(c).remote.address, forwardedFor, proxies);
}

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
    const address = addressOf(c, api);
    const presented = presentedBy(c, api);
    if (!presented.every(({ digest }) => proven.has(digest))) {
      const failed = await askRedis(() => failures.get(countedAs(api, address)), deadline);
      if (failed && failed.consumedPoints >= failures.points) return refuse(c, failures, failed);
    }
    const { verified, guessed } = await verifyEach(presented);
    if (guessed) await askRedis(() => failures.penalty(countedAs(api, address)), deadline);
    const key = countedAs(api, (!guessed && verified[0]?.name) || `address:${address}`);
    const used = await askRedis(() => requests.penalty(key), deadline);
    if (used && used.consumedPoints > limit) return refuse(c, requests, used);
    for (const { digest } of verified) proven.add(digest);
    await next();
    if (used) show(c.res.headers, requests, used);
  };
}

/** `digest` is of the credential alone: what else stands in the request must not make one count as many. */
type Presented = { digest: string; verify: () => Promise<string> };

/** All that the request shows to be let in, whichever its route looks at; `verify` gives the caller's name. */
function presentedBy(c: HonoContext, api: Api): Presented[] {
  const presented: Presented[] = [];
  const bearer = bearerOf(c);
  if (bearer !== undefined) {
    const verify = async () => {
      const credential = await readCredential(c, api.auth);
      return credential.kind === 'key' ? `key:${credential.name}` : `account:${credential.sub}`;
    };
    presented.push({ digest: countedAs(api, 'bearer', bearer), verify });
  }
  const erasureId = ERASURE.exec(c.req.path)?.[1];
  const token = c.req.query('token');
  if (erasureId !== undefined && token !== undefined) {
    const verify = async () => {
      hasStatusToken(c, api.auth, erasureId);
      return `erasure:${erasureId}`;
    };
    presented.push({ digest: countedAs(api, 'status', erasureId, token), verify });
  }
  return presented;
}

async function verifyEach(presented: Presented[]) {
  const verified: { name: string; digest: string }[] = [];
  let guessed = false;
  for (const { digest, verify } of presented) {
    try {
      verified.push({ name: await verify(), digest });
    } catch (error) {
      // A JWT that has expired was not guessed: a page left open must not close the door to its whole office.
      if (error instanceof NotOurs) guessed = true;
    }
  }
  return { verified, guessed };
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
