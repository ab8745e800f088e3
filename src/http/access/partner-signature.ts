import type { Context as HonoContext } from 'hono';
import type { Config } from '../../config.ts';
import { LetheError, UsageError } from '../../errors.ts';
import { problemOfSignature } from '../../partners/sign.ts';
import { NotOurs } from './jwt.ts';

/** Where messages of other systems arrive. */
export const PARTNER_PATH = '/v1/partner/erasures';

type Secrets = Pick<Config, 'LETHE_PARTNER_SECRET'>;

/** Throws a UsageError for secrets with which no signature can be checked. */
export function checkPartnerSecret({ LETHE_PARTNER_SECRET: secrets }: Secrets): void {
  try {
    if (secrets !== undefined) problemOfSignature(secrets, DUMMY, '', new Date(0));
  } catch (error) {
    throw new UsageError([`LETHE_PARTNER_SECRET: ${(error as Error).message}`]);
  }
}

const DUMMY = { 'webhook-id': 'none', 'webhook-timestamp': '0', 'webhook-signature': 'v1,none' };

/** The message of each request. The limits and the route both ask for it; its signature is checked once. */
const read = new WeakMap<object, Promise<Signed>>();

/** A message that a partner has signed. `sentAt`: by the partner's clock, in whole seconds; in milliseconds since 1970. */
export type Signed = { readonly id: string; readonly sentAt: number };

/**
 * Checks the signature of a request's body (Standard Webhooks). Throws `not_found` where no secret is set, and
 * `unauthenticated` for a signature that is wrong or too old.
 */
export function readSigned(c: HonoContext, config: Secrets): Promise<Signed> {
  const known = read.get(c.req);
  if (known) return known;
  const signed = verify(c, config);
  read.set(c.req, signed);
  return signed;
}

async function verify(c: HonoContext, { LETHE_PARTNER_SECRET: secrets }: Secrets): Promise<Signed> {
  if (secrets === undefined)
    throw new LetheError('not_found', 'no messages of partners are taken here: LETHE_PARTNER_SECRET is not set');
  const headers = Object.fromEntries(Object.keys(DUMMY).map((name) => [name, c.req.header(name)]));
  const problem = problemOfSignature(secrets, headers, await c.req.text());
  if (problem) throw new NotOurs(problem);
  return { id: headers['webhook-id'] as string, sentAt: Number(headers['webhook-timestamp']) * 1000 };
}
