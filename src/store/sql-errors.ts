import { LetheError } from '../errors.ts';
import { isKnownConstraint, isKnownTable } from './known-names.ts';

type PostgresFields = { code?: unknown; table_name?: unknown; constraint_name?: unknown; schema_name?: unknown };

/** 55P03 lock not available, 57014 statement timeout, 25P04 transaction timeout, 25P03 idle too long, 40P01 deadlock, 40001 serialization. */
const CONTENDED = new Set(['55P03', '57014', '25P04', '25P03', '40P01', '40001']);
/** The server is starting, stopping, full, or has ended our session. */
const UNAVAILABLE = new Set(['57P01', '57P02', '57P03', '57P05', '53300']);
/** Every later statement of a transaction that has failed already. */
const FAILED_BEFORE = '25P02';
/** A statement that names what is not there, or that the role may not run. 42P05 is about a prepared statement. */
const REFUSED_ALWAYS = /^42(?!P05)/;
/** A constraint, a trigger, a publication or the data refuse the same statement again. */
const REFUSED_BY_A_TABLE = /^(09|0A|22|23|27|2F|38|39|44|P0)|^55000$/;
const CONNECTION =
  /^(CONNECTION_|CONNECT_TIMEOUT|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|ERR_TLS|ERR_SSL)|CERT|^UNABLE_TO_VERIFY/;

/**
 * Names the application's table that a failed statement was about. For a raising trigger or a missing right the server
 * does not tell.
 */
export class AboutTable extends Error {
  readonly table: string;
  /** Its location's name, where there is one. */
  readonly location: string | undefined;
  constructor(table: string, location: string | undefined, cause: unknown) {
    super('a statement failed', { cause });
    this.table = table;
    this.location = location;
  }
}

/** True for the answer to a statement that came after the one that failed its transaction: it says nothing about the cause. */
export const failedBefore = (error: unknown): boolean => sqlState(error) === FAILED_BEFORE;

const chain = (error: unknown): unknown[] => {
  const links: unknown[] = [];
  for (let e = error; e && links.length < 8; e = (e as { cause?: unknown }).cause) links.push(e);
  return links;
};

function find(error: unknown): PostgresFields | undefined {
  return chain(error).find((e): e is PostgresFields => typeof (e as PostgresFields).code === 'string');
}

/** The SQLSTATE or system code of a driver error, however deep it is wrapped. */
export function sqlState(error: unknown): string | undefined {
  return find(error)?.code as string | undefined;
}

/** True when the application has rows locked that we wanted: give way and try again. */
export function isContended(error: unknown): boolean {
  if (error instanceof LetheError) return error.code === 'contended';
  return CONTENDED.has(sqlState(error) ?? '');
}

/**
 * Turns any failure of a statement into a LetheError whose text holds SQLSTATE, table and constraint only. The driver's
 * own messages quote parameters and rows, which would end up in Redis and in logs. A trigger chooses the two names, so
 * they could, too: only known names pass. An error that the same statement would meet again is not to be retried.
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
  const about = chain(error).find((e) => e instanceof AboutTable);
  const refused = REFUSED_ALWAYS.test(code) || (about && REFUSED_BY_A_TABLE.test(code));
  const extra = about?.location === undefined ? {} : { location: about.location };
  const detail = `SQLSTATE ${code}${placeOf(fields, about?.table)}`;
  return new LetheError('database_error', detail, extra, refused ? 'never' : 'now');
}

function placeOf({ schema_name, table_name, constraint_name }: PostgresFields, about: string | undefined): string {
  const table = `${schema_name}.${table_name}`;
  const named = isKnownTable(table) ? table : about;
  const where = named ? ` on ${named}` : '';
  const constraint = isKnownConstraint(String(constraint_name)) ? ` (${constraint_name})` : '';
  const unknown = (table_name && !isKnownTable(table)) || (constraint_name && !constraint);
  return `${where}${constraint}${unknown ? ' at a name that the catalog does not know: see the log of the database' : ''}`;
}
