/**
 * Signatures of messages, by Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`,
 * which signs `id.timestamp.body`. `v1` is HMAC-SHA256, `v1a` is Ed25519.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';

/** A signature that is older, or from further ahead, is refused: whoever has seen it may be sending it again. */
export const TOLERANCE_MS = 5 * 60_000;

export type SignedHeaders = { 'webhook-id': string; 'webhook-timestamp': string; 'webhook-signature': string };

/** What was signed. `at`: when it is sent. */
export type Signed = { readonly id: string; readonly at: Date; readonly body: string };

type Key = { readonly signs: ((content: string) => string) | null; fits(signature: string, content: string): boolean };

/** How PKCS#8 and SPKI wrap the 32 bytes of an Ed25519 key (RFC 8410). */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const LEAST_BYTES = 24;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/**
 * The headers that sign one message with each of the secrets. Spaces stand between several secrets, and then between
 * their signatures. So a secret is rotated in three steps: add the new one, change the partner, take the old one away.
 */
export function signMessage(secrets: string, { id, at, body }: Signed): SignedHeaders {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const content = `${id}.${timestamp}.${body}`;
  const signatures = keysOf(secrets).flatMap(({ signs }) => (signs ? [signs(content)] : []));
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}

/** What is wrong with a text of secrets that is to sign, in words without the secret. Undefined: nothing. */
export function problemOfSecrets(secrets: string): string | undefined {
  try {
    const keys = keysOf(secrets);
    if (keys.length === 0) return 'is empty';
    return keys.every(({ signs }) => signs) ? undefined : 'is a public key, which cannot sign';
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * Why a message must not be believed, in words; undefined: one of the secrets signed it, a moment ago. `whpk_` is the public
 * key of a sender with `whsk_`. Takes the same time whichever secret fits.
 */
export function problemOfSignature(
  secrets: string,
  headers: Readonly<Record<string, string | undefined>>,
  body: string,
  now = new Date(),
): string | undefined {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (!id || !timestamp || !signatures) return 'webhook-id, webhook-timestamp and webhook-signature are required';
  if (!/^\d{1,12}$/.test(timestamp)) return 'webhook-timestamp is not a number of seconds';
  const apart = Number(timestamp) * 1000 - now.getTime();
  if (Math.abs(apart) > TOLERANCE_MS)
    return `webhook-timestamp is ${Math.round(Math.abs(apart) / 1000)} seconds ${apart < 0 ? 'old' : 'ahead'}: 300 are allowed`;
  const content = `${id}.${timestamp}.${body}`;
  let fits = false;
  for (const key of keysOf(secrets))
    for (const signature of signatures.split(' ')) fits = key.fits(signature, content) || fits;
  return fits ? undefined : 'webhook-signature is not of a secret that is known here';
}

/** The keys of the last few texts: an Ed25519 key takes longer to read than to sign with. */
const known = new Map<string, Key[]>();

function keysOf(secrets: string): Key[] {
  const found = known.get(secrets);
  if (found) return found;
  const keys = secrets.split(/\s+/).filter(Boolean).map(keyOf);
  if (known.size > 100) known.clear();
  known.set(secrets, keys);
  return keys;
}

function keyOf(secret: string): Key {
  const [, prefix, rest = ''] = /^(whsec_|whsk_|whpk_)(.*)$/.exec(secret) ?? [];
  if (prefix === 'whsk_') return privateKey(decode(rest, prefix));
  if (prefix === 'whpk_') return publicKey(decode(rest, prefix));
  return hmacKey(prefix === 'whsec_' ? decode(rest, prefix) : Buffer.from(secret));
}

function decode(text: string, prefix: string): Buffer {
  if (!BASE64.test(text)) throw new Error(`is not base64 after ${prefix}`);
  return Buffer.from(text, 'base64');
}

function hmacKey(key: Buffer): Key {
  if (key.length < LEAST_BYTES) throw new Error(`has fewer than ${LEAST_BYTES} bytes`);
  const signs = (content: string) => `v1,${createHmac('sha256', key).update(content).digest('base64')}`;
  return {
    signs,
    fits: (signature, content) => {
      const [given, expected] = [Buffer.from(signature), Buffer.from(signs(content))];
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}

/** 32 bytes of seed, or 64, of which the second half is the public key. */
function privateKey(bytes: Buffer): Key {
  if (bytes.length !== 32 && bytes.length !== 64) throw new Error('has not the 32 or 64 bytes of an Ed25519 key');
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, bytes.subarray(0, 32)]), format: 'der', type: 'pkcs8' });
  return {
    signs: (content) => `v1a,${sign(null, Buffer.from(content), key).toString('base64')}`,
    fits: verifier(createPublicKey(key)),
  };
}

function publicKey(bytes: Buffer): Key {
  if (bytes.length !== 32) throw new Error('has not the 32 bytes of a public Ed25519 key');
  return {
    signs: null,
    fits: verifier(createPublicKey({ key: Buffer.concat([SPKI, bytes]), format: 'der', type: 'spki' })),
  };
}

const verifier = (key: KeyObject) => (signature: string, content: string) => {
  const [version, text] = signature.split(',');
  if (version !== 'v1a' || !text || !BASE64.test(text)) return false;
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 64 && verify(null, Buffer.from(content), key, bytes);
};
