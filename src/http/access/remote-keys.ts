import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { LetheError } from '../../errors.ts';

const SECOND = 1000;
/** A request that needs the provider waits this long for it. */
const TIMEOUT_MS = 1.5 * SECOND;
/** The set is read again after this time. */
const MAX_AGE_MS = 600 * SECOND;
/** While the provider is away, a key is trusted this long after it was last seen in the set. */
const MAX_STALE_MS = 3600 * SECOND;
/** Least time between two reads that unknown keys cause; and after one that failed. */
const COOLDOWN_MS = 30 * SECOND;
const FAILURE_COOLDOWN_MS = 5 * SECOND;

/**
 * The provider's key set. A key id that is not in it makes it read again, at most once per cooldown. So a flood of
 * invented ids does not become one for the provider. Throws `keys_unavailable` when the set cannot be read and none
 * that was read before has the key.
 */
export function remoteKeys(url: URL): JWTVerifyGetKey {
  // We decide when to read and when a set is too old, not the library. While the provider is away the library would read
  // again on each request. At its maximum age it would forget the keys that get us over the outage.
  const set = createRemoteJWKSet(url, {
    timeoutDuration: TIMEOUT_MS,
    cacheMaxAge: Number.POSITIVE_INFINITY,
    cooldownDuration: Number.POSITIVE_INFINITY,
  });
  let readAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<boolean> | undefined;
  const age = () => Date.now() - readAt;

  /** True when the set is as the provider has it now. */
  const read = (): Promise<boolean> => {
    if (Date.now() - failedAt < FAILURE_COOLDOWN_MS) return Promise.resolve(false);
    reading ??= set
      .reload()
      .then(
        () => {
          readAt = Date.now();
          return true;
        },
        () => {
          failedAt = Date.now();
          return false;
        },
      )
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };

  return async (header, token) => {
    const current = age() < MAX_AGE_MS || (await read());
    if (!current && age() >= MAX_STALE_MS) throw unavailable();
    try {
      return await set(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (!current) throw unavailable();
      if (age() < COOLDOWN_MS) throw error;
      if (!(await read())) throw unavailable();
      return set(header, token);
    }
  };
}

const unavailable = () => new LetheError('keys_unavailable', 'the provider’s keys cannot be read; try again');
