import { createHmac } from 'node:crypto';

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A bearer JWT with any header and any claims, as an attacker would put it together by hand. */
export function forge(
  header: Record<string, unknown>,
  claims: Record<string, unknown>,
  secret: string | null,
  hash = 'sha256',
): string {
  const signed = `${part(header)}.${part(claims)}`;
  return `Bearer ${signed}.${secret === null ? '' : createHmac(hash, secret).update(signed).digest('base64url')}`;
}

/** The cookie of somebody signed in, made by hand: `value` signed with `secret`. */
export function forgeCookie(value: string, secret: string): string {
  const signature = createHmac('sha256', secret).update(value).digest('base64');
  return `lethe_dashboard=${encodeURIComponent(`${value}.${signature}`)}`;
}
