import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { LetheError } from '../errors.ts';

/** The layout: one byte of version, 12 of nonce, 16 of tag, then the text. */
const VERSION = 1;
const NONCE = 12;
const TAG = 16;

const keyOf = (secret: string) => Buffer.from(hkdfSync('sha256', secret, '', 'lethe sealed v1', 32));

/**
 * Seals what must be said to a partner and nobody may read meanwhile: AES-256-GCM under a key derived (HKDF, RFC 5869) from
 * the first secret. `about` is an id that it belongs to: sealed data cannot be moved to another row.
 */
export function seal(secrets: readonly string[], about: string, content: unknown): Buffer {
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv('aes-256-gcm', keyOf(secrets[0] as string), nonce).setAAD(Buffer.from(about));
  const body = Buffer.concat([cipher.update(JSON.stringify(content), 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.from([VERSION]), nonce, cipher.getAuthTag(), body]);
}

/** Opens what was sealed under any secret of the list. Throws `internal_error` when none of them fits. */
export function unseal(secrets: readonly string[], about: string, sealed: Uint8Array): unknown {
  const bytes = Buffer.from(sealed);
  const [nonce, tag, body] = [
    bytes.subarray(1, 1 + NONCE),
    bytes.subarray(1 + NONCE, 1 + NONCE + TAG),
    bytes.subarray(1 + NONCE + TAG),
  ];
  for (const secret of bytes[0] === VERSION ? secrets : []) {
    try {
      const cipher = createDecipheriv('aes-256-gcm', keyOf(secret), nonce).setAAD(Buffer.from(about));
      cipher.setAuthTag(tag);
      return JSON.parse(Buffer.concat([cipher.update(body), cipher.final()]).toString('utf8'));
    } catch {
      // Of another secret, or not ours.
    }
  }
  throw new LetheError(
    'internal_error',
    'sealed data cannot be opened: the secret that sealed it is not in LETHE_SECRET',
  );
}
