import { LetheError } from '../errors.ts';
import { isKnownConstraint, isKnownTable } from './known-names.ts';

type PostgresFields = { code?: unknown; table_name?: unknown; constraint_name?: unknown; schema_name?: unknown };

/** 55P03 lock not available, 57014 statement timeout, 25P04 transaction timeout, 25P03 idle too long, 40P01 deadlock, 40001 serialization. */
const CONTENDED = new Set(['55P03', '57014', '25P04', '25P03', '40P01', '40001']);
/** The server is starting, stopping, full, or has ended our session. */
const UNAVAILABLE = new Set(['57P01', '57P02', '57P03', '57P05', '53300']);
const CONNECTION =
  /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|ERR_TLS|ERR_SSL)|CERT|^UNABLE_TO_VERIFY/;

function find(error: unknown): PostgresFields | undefined {
  for (let e = error, depth = 0; e && depth < 6; e = (e as { cause?: unknown }).cause, depth++) {
    if (typeof (e as PostgresFields).code === 'string') return e as PostgresFields;
  }
  return undefined;
}

/** The SQLSTATE or system code of a driver error, however deep it is wrapped. */
export function sqlState(error: unknown): string | undefined {
  return find(error)?.code as string | undefined;
}

/** True when the application holds locks that we wanted: give way and try again. */
export function isContended(error: unknown): boolean {
  if (error instanceof LetheError) return error.code === 'contended';
  return CONTENDED.has(sqlState(error) ?? '');
}

/**
 * Turns any failure of a statement into a LetheError whose text holds SQLSTATE, table and constraint
 * only. The driver's own messages quote parameters and rows, which would end up in Redis and in logs; so could
 * the two names, which a trigger chooses: only known ones pass.
 */
export function sanitize(error: unknown): LetheError {
  if (error instanceof LetheError) return error;
  const fields = find(error);
  const code = (fields?.code as string | undefined) ?? 'unknown';
  if (CONTENDED.has(code)) return new LetheError('contended', `SQLSTATE ${code}`);
  if (code === '25006') return new LetheError('database_unavailable', 'the database is read-only (25006)');
  if (UNAVAILABLE.has(code) || CONNECTION.test(code) || code.startsWith('08')) {
    return new LetheError('database_unavailable', code);
  }
  if (!fields) return new LetheError('internal_error', (error as Error)?.name ?? 'unknown error');
  return new LetheError('database_error', `SQLSTATE ${code}${placeOf(fields)}`);
}

function placeOf({ schema_name, table_name, constraint_name }: PostgresFields): string {
  const table = `${schema_name}.${table_name}`;
  const where = isKnownTable(table) ? ` on ${table}` : '';
  const constraint = isKnownConstraint(String(constraint_name)) ? ` (${constraint_name})` : '';
  const unknown = (table_name && !where) || (constraint_name && !constraint);
  return `${where}${constraint}${unknown ? ' at a name that the catalog does not know: see the log of the database' : ''}`;
}
