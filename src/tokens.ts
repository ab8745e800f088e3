import { createHmac, timingSafeEqual } from 'node:crypto';

const mac = (secret: string, ...parts: string[]) => createHmac('sha256', secret).update(parts.join('\n')).digest();

const equal = (a: Buffer, b: Buffer) => a.length === b.length && timingSafeEqual(a, b);

/**
 * Derives the token for one thing: `v1.` and HMAC-SHA256(secret, purpose, id, version), base64url.
 * The first secret of the list signs; nothing is stored.
 */
export function deriveToken(secrets: readonly string[], purpose: string, id: string): string {
  return sign(secrets[0] as string, purpose, id);
}

const sign = (secret: string, purpose: string, id: string) =>
  `v1.${mac(secret, purpose, id, 'v1').toString('base64url')}`;

/** True when `token` was derived for exactly this purpose and id with any secret of the list. Constant time. */
export function verifyToken(secrets: readonly string[], purpose: string, id: string, token: string): boolean {
  // Texts are compared, not what they decode to: several spellings of a token would be the same bytes.
  const given = Buffer.from(token);
  let valid = false;
  for (const secret of secrets) valid = equal(given, Buffer.from(sign(secret, purpose, id))) || valid;
  return valid;
}

/** Keyed digest of an account key: it survives the scrub, and without the secret it says nothing about the key. */
export function accountDigest(secrets: readonly string[], accountKey: string): string {
  return mac(secrets[0] as string, 'account', accountKey).toString('hex');
}

/** Digests of an account key with every secret of the list: which of them signed is not recorded. */
export const accountDigests = (secrets: readonly string[], accountKey: string): string[] =>
  secrets.map((secret) => accountDigest([secret], accountKey));
