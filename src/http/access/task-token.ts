import type { Context as HonoContext } from 'hono';
import type { Config } from '../../config.ts';
import { LetheError } from '../../errors.ts';
import { verifyToken } from '../../tokens.ts';
import { type AuthConfig, bearerOf, readCredential } from './auth.ts';
import { NotOurs } from './jwt.ts';

/** True when the bearer is the token that the message of this task carried. */
export function hasTaskToken(c: HonoContext, config: Pick<Config, 'LETHE_SECRET'>, taskId: string): boolean {
  const bearer = bearerOf(c);
  return bearer !== undefined && verifyToken(config.LETHE_SECRET, 'ack', taskId.toLowerCase(), bearer);
}

/**
 * Lets in who has the token of exactly this task. Throws `unauthenticated` for a token that is none or another task's.
 * Throws `forbidden` for a key or a JWT that is genuine: neither may say that a partner has erased.
 */
export async function requireTaskToken(c: HonoContext, auth: AuthConfig, taskId: string): Promise<void> {
  if (hasTaskToken(c, auth, taskId)) return;
  await readCredential(c, auth).catch((error: unknown) => {
    throw error instanceof NotOurs ? new NotOurs('the token is not that of this task') : error;
  });
  throw new LetheError('forbidden', 'this needs the token that the message of the task carried');
}
