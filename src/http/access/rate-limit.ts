import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context as HonoContext, MiddlewareHandler } from 'hono';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import type { Config } from '../../config.ts';
import { LetheError } from '../../errors.ts';
import type { Producers } from '../../jobs/redis/producers.ts';
import type { Logger } from '../../logger.ts';
import { deriveToken } from '../../tokens.ts';
import { clientAddress } from '../server/client-address.ts';
import { problem } from '../server/problem.ts';
import { type AuthConfig, bearerOf, readCredential } from './auth.ts';
import { type Counter, createCounter, type Used } from './counter.ts';
import { NotOurs } from './jwt.ts';
import { PARTNER_PATH, readSigned } from './partner-signature.ts';
import { createAskRedis, deadlineFromNow } from './patience.ts';
import { hasStatusToken } from './status-link.ts';
import { hasTaskToken } from './task-token.ts';

const WINDOW_SECONDS = 60;
/** An address may present a tenth as many false credentials as it may send requests. */
const FAILED_SHARE = 10;
const TASK = /^\/v1\/tasks\/([\da-f-]{36})\/ack$/i;
const ERASURE = /^\/(?:v1\/erasures|status)\/([\da-f-]{36})(?:\/|$)/i;

type Log = { log: Pick<Logger, 'warn' | 'info'> };
/** What it takes to tell callers apart by their address. */
export type Addressed = { ctx: Log; config: Pick<Config, 'LETHE_TRUSTED_PROXIES'> };
/** What the limits need. */
type Counted = Addressed & {
  config: Pick<Config, 'LETHE_SECRET' | 'LETHE_RATE_LIMIT' | 'LETHE_REDIS_PREFIX'>;
  auth: AuthConfig;
  producers: Pick<Producers, 'redis'>;
};

const told = new WeakSet<Addressed>();

/** Who sends this request, as `clientAddress` says it. */
export function addressOf(c: HonoContext, api: Addressed): string {
  const forwardedFor = c.req.header('X-Forwarded-For');
  const proxies = api.config.LETHE_TRUSTED_PROXIES;
  // Behind a proxy all callers would share one budget, and nobody would know why. Say it once: anybody can send the header.
  if (forwardedFor !== undefined && proxies === 0 && !told.has(api)) {
    told.add(api);
    api.ctx.log.warn('X-Forwarded-For is ignored: set LETHE_TRUSTED_PROXIES when a proxy is in front');
  }
  return clientAddress(getConnInfo(c).remote.address, forwardedFor, proxies);
}

/** The name under which Redis counts: an HMAC with the first secret, from which nothing can be read back. */
export const countedAs = (config: Pick<Config, 'LETHE_SECRET'>, ...who: string[]) =>
  deriveToken(config.LETHE_SECRET, 'rate', who.join('\n'));

/**
 * Allows `LETHE_RATE_LIMIT` requests a minute for each caller, in all API processes together; answers 429
 * `rate_limited`. Callers are told apart after their credential was verified, so that nobody uses up what is another's.
 * A key counts by its name, an account by its `sub`, a status link by its erasure; everybody else by their address.
 * False credentials count against the address a second time, with less room. Every credential is verified, which costs
 * less than the rest of an answer. So a false one never blocks a good one from the same address.
 *
 * An acknowledgement counts by its task, and what a message of another Lethe asks for by that message: nobody else can
 * use up either. They come by the thousand from one address, so that each process counts them by itself.
 */
export function rateLimit(api: Counted, { requests, failures, things }: Limiter): MiddlewareHandler {
  return async (c, next) => {
    const thing = await thingOf(c, api.auth);
    if (thing) {
      const used = await things.count(thing, 0);
      if (used.consumed > things.points) return refuse(c, things, used);
      await next();
      return show(c.res.headers, things, used);
    }
    const deadline = deadlineFromNow();
    const address = addressOf(c, api);
    const { verified, guessed } = await verifyEach(presentedBy(c, api.auth));
    if (guessed) {
      const failed = await failures.count(countedAs(api.config, address), deadline);
      if (failed.consumed > failures.points) return refuse(c, failures, failed);
    }
    const used = await requests.count(
      countedAs(api.config, (!guessed && verified[0]) || `address:${address}`),
      deadline,
    );
    if (used.consumed > requests.points) return refuse(c, requests, used);
    await next();
    show(c.res.headers, requests, used);
  };
}

/** The same limit for an open page of the API, by address. Each page has a budget of its own. */
export function limitPage(api: Counted, { requests }: Limiter): MiddlewareHandler {
  return async (c, next) => {
    const key = countedAs(api.config, `page:${c.req.path}`, addressOf(c, api));
    const used = await requests.count(key, deadlineFromNow());
    if (used.consumed > requests.points) return refuse(c, requests, used);
    await next();
  };
}

/** `things`: what a token or a message is about, where that is counted and not the caller. */
export type Limiter = { requests: Counter; failures: Counter; things: Counter };

/** The counters of `rateLimit` and `limitPage`. */
export function createLimiter(api: Counted): Limiter {
  const limit = api.config.LETHE_RATE_LIMIT;
  const askRedis = createAskRedis(api.ctx.log, 'requests are counted in this process only');
  const counter = (name: string, points: number) =>
    createCounter({
      points,
      windowMs: WINDOW_SECONDS * 1000,
      askRedis,
      shared: new RateLimiterRedis({
        storeClient: api.producers.redis,
        keyPrefix: `${api.config.LETHE_REDIS_PREFIX}:rate:${name}`,
        points,
        duration: WINDOW_SECONDS,
      }),
    });
  return {
    requests: counter('requests', limit),
    failures: counter('failures', Math.ceil(limit / FAILED_SHARE)),
    things: createCounter({ points: limit, windowMs: WINDOW_SECONDS * 1000, askRedis }),
  };
}

/** What the request is about, where its credential is genuine and opens that alone. */
async function thingOf(c: HonoContext, auth: AuthConfig): Promise<string | undefined> {
  if (c.req.path === PARTNER_PATH)
    return readSigned(c, auth).then(
      ({ id }) => `message:${id}`,
      () => undefined,
    );
  const taskId = TASK.exec(c.req.path)?.[1];
  return taskId !== undefined && hasTaskToken(c, auth, taskId) ? `task:${taskId.toLowerCase()}` : undefined;
}

/** Every credential of the request, whichever its route looks at. Each function verifies one and gives the caller's name. */
function presentedBy(c: HonoContext, auth: AuthConfig): (() => Promise<string>)[] {
  const presented: (() => Promise<string>)[] = [];
  if (bearerOf(c) !== undefined)
    presented.push(async () => {
      const credential = await readCredential(c, auth);
      return credential.kind === 'key' ? `key:${credential.name}` : `account:${credential.sub}`;
    });
  if (c.req.path === PARTNER_PATH && c.req.header('webhook-signature') !== undefined)
    presented.push(async () => `message:${(await readSigned(c, auth)).id}`);
  const erasureId = ERASURE.exec(c.req.path)?.[1];
  if (erasureId !== undefined && c.req.query('token') !== undefined)
    presented.push(async () => {
      hasStatusToken(c, auth, erasureId);
      return `erasure:${erasureId}`;
    });
  return presented;
}

async function verifyEach(presented: (() => Promise<string>)[]) {
  const verified: string[] = [];
  let guessed = false;
  for (const verify of presented) {
    try {
      verified.push(await verify());
    } catch (error) {
      // A JWT that has expired was not guessed. A page left open must not close the door to its whole office.
      if (error instanceof NotOurs) guessed = true;
    }
  }
  return { verified, guessed };
}

function refuse(c: HonoContext, counter: Counter, used: Used): Response {
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

/** Sets the three fields of draft-ietf-httpapi-ratelimit-headers-06, which clients know. Later drafts have no users yet. */
function show(headers: Headers, counter: Counter, used: Used): void {
  headers.set('RateLimit-Limit', String(counter.points));
  headers.set('RateLimit-Remaining', String(Math.max(0, counter.points - used.consumed)));
  headers.set('RateLimit-Reset', String(secondsLeft(used)));
}

const secondsLeft = (used: Used) => Math.max(1, Math.ceil(used.msLeft / 1000));
