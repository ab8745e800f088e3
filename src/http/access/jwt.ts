import { decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Config } from '../../config.ts';
import { LetheError } from '../../errors.ts';
import { remoteKeys } from './remote-keys.ts';

/** What a valid JWT says; `sub` is as it stands there. `expires`: from when it is refused, in milliseconds since 1970. */
export type Claims = { sub: string; authTime: number | undefined; expires: number };

/** Throws `unauthenticated` (a NotOurs when the signature is wrong) and `keys_unavailable`. */
export type VerifyJwt = (token: string) => Promise<Claims>;

export type JwtConfig = Pick<Config, 'LETHE_JWT_SECRET' | 'LETHE_JWKS_URL' | 'LETHE_JWT_ISSUER' | 'LETHE_JWT_AUDIENCE'>;

/** For a credential that was guessed or forged, such as a JWT that the application did not sign. One that has expired is ours. */
export class NotOurs extends LetheError {
  constructor(detail: string) {
    super('unauthenticated', detail);
  }
}

/** The most keys with which a token without `kid` is tried. Each costs a verification, and anybody may send such a token. */
const MOST_TRIED = 5;
/** Seconds by which clocks may differ. */
const TOLERANCE = 5;
/**
 * What a token may say it is. With the same keys a provider signs others, such as `logout+jwt` and `dpop+jwt`. These
 * prove something else (RFC 8725, 3.11).
 */
const TYPES = ['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt'];
const SHARED = ['HS256'];
const PUBLIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

/**
 * Verifies the application's JWTs: HS256 with the secret, the others with the provider's key set. The token's `alg`
 * chooses one of two ways that share nothing. The secret never meets a public algorithm, and a public key is never used
 * as a secret.
 */
export function createVerifyJwt(config: JwtConfig): VerifyJwt {
  const secret = config.LETHE_JWT_SECRET ? new TextEncoder().encode(config.LETHE_JWT_SECRET) : undefined;
  const keys = config.LETHE_JWKS_URL ? remoteKeys(new URL(config.LETHE_JWKS_URL)) : undefined;
  const options = {
    issuer: config.LETHE_JWT_ISSUER as string,
    audience: config.LETHE_JWT_AUDIENCE as string,
    requiredClaims: ['sub', 'exp'],
    clockTolerance: TOLERANCE,
  };
  return async (token) => {
    const alg = algorithmOf(token);
    if (secret && SHARED.includes(alg)) {
      return claims(jwtVerify(token, secret, { ...options, algorithms: SHARED }));
    }
    if (keys && PUBLIC.includes(alg)) {
      const checks = { ...options, algorithms: PUBLIC };
      return claims(jwtVerify(token, keys, checks).catch(withEach(token, checks)).catch(notUsable));
    }
    throw new NotOurs(secret || keys ? 'the JWT is not valid (alg)' : 'JWTs are not accepted here');
  };
}

function algorithmOf(token: string): string {
  try {
    return String(decodeProtectedHeader(token).alg);
  } catch {
    throw new NotOurs('the JWT is not valid (header)');
  }
}

/**
 * Tries the keys one by one when several fit. During a rotation a provider publishes two, and a token without `kid` does
 * not say which of them signed it.
 */
const withEach = (token: string, checks: JWTVerifyOptions) => async (error: unknown) => {
  if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
  let refusal: unknown = new Error('none of the keys can be read');
  let tried = 0;
  for await (const key of error) {
    try {
      return await jwtVerify(token, key, checks);
    } catch (reason) {
      // The library checks anything else after the signature: no other key would do better.
      if (reason instanceof errors.JOSEError && !(reason instanceof errors.JWSSignatureVerificationFailed))
        throw reason;
      refusal = reason;
    }
    if (++tried === MOST_TRIED) break;
  }
  throw refusal;
};

/** A key of the provider that cannot be used is the provider's mistake, not the caller's. */
const notUsable = (error: unknown): never => {
  if (error instanceof LetheError || error instanceof errors.JOSEError) throw error;
  throw new LetheError('keys_unavailable', 'the key set holds a key that cannot be used');
};

async function claims(verified: Promise<{ payload: JWTPayload; protectedHeader: { typ?: string } }>): Promise<Claims> {
  try {
    const { payload, protectedHeader } = await verified;
    const { typ } = protectedHeader;
    if (typ !== undefined && !TYPES.includes(String(typ).toLowerCase()))
      throw new LetheError('unauthenticated', 'the JWT is not valid (typ): it was issued for something else');
    // The library asks only that the claim is there.
    if (typeof payload.sub !== 'string') throw new LetheError('unauthenticated', 'the JWT is not valid (sub)');
    return {
      sub: payload.sub,
      authTime: typeof payload.auth_time === 'number' ? payload.auth_time : undefined,
      expires: ((payload.exp as number) + TOLERANCE) * 1000,
    };
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    const detail = `the JWT is not valid (${error.code})`;
    // The library checks claims after the signature: whoever has such a token did not guess it.
    if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed)
      throw new LetheError('unauthenticated', detail);
    throw new NotOurs(detail);
  }
}
