import { SignJWT } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { LetheError } from '../../errors.ts';

/** Asks the application to revoke an account's tokens. Throws `sign_out_deferred` unless it says 2xx. */
export type RevokeCall = (accountKey: string) => Promise<void>;

const TIMEOUT_MS = 5_000;
const BACK_CHANNEL_LOGOUT = 'http://schemas.openid.net/event/backchannel-logout';

/**
 * A POST with a logout token, which is a JWT signed with HS256. Its `iss` is Lethe's public URL, `aud` the origin of the
 * endpoint and `sub` the account's key. It has `iat`, `exp` (two minutes) and `jti`.
 * Source: OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.5.
 */
export function revokeCall(options: { url: string; secret: string; issuer: string }): RevokeCall {
  const key = new TextEncoder().encode(options.secret);
  return async (accountKey) => {
    const token = await new SignJWT({ events: { [BACK_CHANNEL_LOGOUT]: {} } })
      .setProtectedHeader({ alg: 'HS256', typ: 'logout+jwt' })
      .setIssuer(options.issuer)
      .setAudience(new URL(options.url).origin)
      .setSubject(accountKey)
      .setIssuedAt()
      .setExpirationTime('2m')
      .setJti(uuidv7())
      .sign(key);
    const status = await post(options.url, new URLSearchParams({ logout_token: token }));
    if (status < 200 || status > 299) throw new LetheError('sign_out_deferred', `the application answered ${status}`);
  };
}

async function post(url: string, body: URLSearchParams): Promise<number> {
  try {
    // A redirect would carry the token to an address that nobody configured.
    const response = await fetch(url, {
      method: 'POST',
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.body?.cancel();
    return response.status;
  } catch (error) {
    throw new LetheError('sign_out_deferred', (error as Error).name);
  }
}
