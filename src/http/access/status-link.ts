import type { Context as HonoContext } from 'hono';
import type { Config } from '../../config.ts';
import type { Erasure } from '../../erasure/model/states.ts';
import { LetheError } from '../../errors.ts';
import { deriveToken, verifyToken } from '../../tokens.ts';
import { publicUrl } from '../server/base-path.ts';
import { NotOurs } from './jwt.ts';

type Secrets = Pick<Config, 'LETHE_SECRET'>;

/** Gives the address of an erasure's status page. Its token opens exactly this erasure, also after sign-out. */
export const statusUrl = (config: Pick<Config, 'LETHE_PUBLIC_URL'> & Secrets) => (erasureId: string) =>
  `${publicUrl(config)}/status/${erasureId}?token=${deriveToken(config.LETHE_SECRET, 'status', erasureId)}`;

/** True when the request carries the status token of exactly this erasure. Throws when it carries a wrong one. */
export function hasStatusToken(c: HonoContext, config: Secrets, erasureId: string): boolean {
  const token = c.req.query('token');
  if (token === undefined) return false;
  if (!verifyToken(config.LETHE_SECRET, 'status', erasureId, token))
    throw new NotOurs('the status token is not valid for this erasure');
  return true;
}

/** How long a link works after the scrub. Whoever comes late is told that it is over, not that it never was. */
const LINK_AFTER_SCRUB_MS = 30 * 86_400_000;

/** Throws `link_ended` for an erasure that is so long over that its link opens nothing any more. */
export function requireOpenLink({ scrubbedAt }: Pick<Erasure, 'scrubbedAt'>): void {
  if (scrubbedAt && Date.now() - scrubbedAt.getTime() > LINK_AFTER_SCRUB_MS)
    throw new LetheError('link_ended', 'the erasure is over, and so is the time in which its link could be opened');
}
