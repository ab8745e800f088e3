import { LetheError, UsageError } from '../errors.ts';
import { sanitize, sqlState } from './sql-errors.ts';

/**
 * What to say when the first statement of a process fails: it names the variable that gives the database. What no retry
 * mends becomes a UsageError (exit code 2).
 */
export function firstError(error: unknown, variable: string): Error {
  if (error instanceof UsageError) return error;
  const state = sqlState(error) ?? '';
  if (state.startsWith('28') || state === '3D000')
    return new UsageError([
      `${variable}: the server refuses the user, the password or the database (${state}); where it wants TLS, add ?sslmode=require`,
    ]);
  if (/CERT|^ERR_TLS|^UNABLE_TO_VERIFY/.test(state))
    return new UsageError([
      `${variable}: the server's certificate is not accepted (${state}): name its authority with sslrootcert, and the host as the certificate does`,
    ]);
  const clean = sanitize(error);
  if (clean.code !== 'database_unavailable') return clean;
  return new LetheError('database_unavailable', `${variable}: ${clean.detail}`);
}
