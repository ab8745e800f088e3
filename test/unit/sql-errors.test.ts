import { DrizzleQueryError } from 'drizzle-orm/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LetheError, stackOf } from '../../src/errors.ts';
import { rememberNames } from '../../src/store/known-names.ts';
import { isContended, sanitize, sqlState } from '../../src/store/sql-errors.ts';

const SECRET = 'ada@example.com';

/** As the driver throws it: its texts quote the row. */
function driverError(code: string, fields: Record<string, string> = {}): Error {
  return Object.assign(new Error(`duplicate key (email)=(${SECRET})`), {
    name: 'PostgresError',
    code,
    detail: `Key (email)=(${SECRET}) already exists.`,
    hint: SECRET,
    where: `SQL statement "SELECT '${SECRET}'"`,
    query: `SELECT '${SECRET}'`,
    parameters: [SECRET],
    ...fields,
  });
}
const wrapped = (cause: Error) => new DrizzleQueryError(`SELECT ${SECRET}`, [SECRET], cause);
const everything = (error: LetheError) =>
  JSON.stringify([error.message, error.extra, error.name, error.cause, { ...error }]);

describe('sanitize', () => {
  it.each(['55P03', '57014', '40P01', '25P03', '25P04', '40001'])(
    'calls %s contended: the application holds the rows',
    (code) => {
      for (const error of [driverError(code), wrapped(driverError(code))]) {
        expect(sanitize(error)).toMatchObject({ code: 'contended', retry: 'now', detail: `SQLSTATE ${code}` });
        expect(isContended(error)).toBe(true);
        expect(isContended(sanitize(error))).toBe(true);
      }
    },
  );

  it.each([
    '57P01',
    '57P02',
    '57P03',
    '53300',
    '08000',
    '08006',
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EPIPE',
    'CONNECTION_CLOSED',
    'CONNECTION_ENDED',
    'CONNECT_TIMEOUT',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'SELF_SIGNED_CERT_IN_CHAIN',
  ])('calls %s unavailable', (code) => {
    for (const error of [driverError(code), wrapped(driverError(code))]) {
      expect(sanitize(error)).toMatchObject({ code: 'database_unavailable', retry: 'now', detail: code });
      expect(isContended(error)).toBe(false);
    }
  });

  it('says that a database is read-only: it can be reached', () => {
    expect(sanitize(wrapped(driverError('25006')))).toMatchObject({
      code: 'database_unavailable',
      retry: 'now',
      detail: 'the database is read-only (25006)',
    });
  });

  it('names state, table and constraint of any other error', () => {
    rememberNames({ tables: ['public.posts'], constraints: ['posts_account_id_fkey'] });
    const fields = { schema_name: 'public', table_name: 'posts', constraint_name: 'posts_account_id_fkey' };
    expect(sanitize(wrapped(driverError('23503', fields)))).toMatchObject({
      code: 'database_error',
      detail: 'SQLSTATE 23503 on public.posts (posts_account_id_fkey)',
    });
    expect(sanitize(driverError('42501')).detail).toBe('SQLSTATE 42501');
  });

  it.each([
    ['the table', { schema_name: 'public', table_name: SECRET }],
    ['the schema', { schema_name: SECRET, table_name: 'accounts' }],
    ['the constraint', { schema_name: 'lethe', table_name: 'erasure', constraint_name: SECRET }],
    ['a table of a schema without a name', { table_name: SECRET }],
  ])('says nothing of a value that a trigger gave as the name of %s', (_, fields) => {
    const { message } = sanitize(wrapped(driverError('P0001', fields)));
    expect(message).not.toContain(SECRET);
    expect(message).toContain('see the log of the database');
  });

  it.each([
    ['lethe', 'chunk', 'chunk_number'],
    ['lethe', 'task', 'task_pkey'],
    ['lethe', 'event', 'event_erasure_id_erasure_id_fk'],
    ['lethe', 'notification', 'notification_state'],
  ])('knows the names of its own schema: %s.%s (%s)', (schema_name, table_name, constraint_name) => {
    const { detail } = sanitize(driverError('23505', { schema_name, table_name, constraint_name }));
    expect(detail).toBe(`SQLSTATE 23505 on ${schema_name}.${table_name} (${constraint_name})`);
  });

  it.each([
    ['an error without a code', new TypeError(SECRET), 'internal_error: TypeError'],
    ['an error that is its own cause', ownCause(), 'internal_error: Error'],
    ['a text', SECRET, 'internal_error: unknown error'],
    ['nothing', undefined, 'internal_error: unknown error'],
    ['null', null, 'internal_error: unknown error'],
  ])('says of %s no more than its name', (_, thrown, message) => {
    expect(sanitize(thrown).message).toBe(message);
    expect(isContended(thrown)).toBe(false);
  });

  it('leaves an error of the domain as it is', () => {
    const error = new LetheError('not_found', 'there is no such account');
    expect(sanitize(error)).toBe(error);
  });

  it('keeps what looks like a place in a message out of what is said of where an error came from', () => {
    const error = driverError('P0001');
    expect(error.stack).toContain(error.message);
    error.message = 'replaced later';
    expect(stackOf(error)).toEqual([]);
    const lines = new Error(`refused\n    at ${SECRET} (x.ts:1:1)\n    at ${SECRET}`);
    expect(stackOf(lines).length).toBeGreaterThan(0);
    expect(stackOf(lines).join()).not.toContain(SECRET);
    for (const thrown of [undefined, null, SECRET, { stack: SECRET }]) expect(stackOf(thrown)).toEqual([]);
  });

  it('finds the state however deep it is wrapped', () => {
    const deep = new Error('a', { cause: new Error('b', { cause: wrapped(driverError('40P01')) }) });
    expect(sqlState(deep)).toBe('40P01');
    expect(sqlState(new Error('none'))).toBeUndefined();
    expect(isContended(deep)).toBe(true);
  });

  it('never leaks a parameter, the query or the detail text', () => {
    const state = fc.oneof(
      fc.constantFrom('55P03', '40P01', '57P01', '23503', '23505', '22P02', '42501', 'ECONNREFUSED'),
      fc.string({ unit: fc.constantFrom(...'0123456789ABCDEFP'), minLength: 5, maxLength: 5 }),
    );
    fc.assert(
      fc.property(state, fc.nat({ max: 4 }), (code, depth) => {
        let error: Error = driverError(code, { schema_name: 'public', table_name: 'accounts' });
        for (let i = 0; i < depth; i++) error = wrapped(error);
        expect(everything(sanitize(error))).not.toContain(SECRET);
      }),
    );
  });
});

function ownCause(): Error {
  const error = new Error(SECRET);
  error.cause = error;
  return error;
}
