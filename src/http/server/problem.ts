import { STATUS_CODES } from 'node:http';
import type { Context as HonoContext } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { z } from 'zod';
import { ERRORS, type ErrorCode, LetheError } from '../../errors.ts';
import { sanitize } from '../../store/sql-errors.ts';

/** Seconds after which a caller should try again. */
const RETRY_AFTER = 2;

/** An error as `application/problem+json` (RFC 9457) with a stable `code`. */
export function problem(c: HonoContext, error: LetheError): Response {
  const { status, title, retry } = ERRORS[error.code];
  const shown = status >= 500 && status !== 503 ? title : error.detail;
  c.header('Content-Type', 'application/problem+json');
  c.header('Cache-Control', 'no-store');
  if (status < 500 ? retry === 'now' : status === 503)
    c.header('Retry-After', String(error.extra.retryAfter ?? RETRY_AFTER));
  if (status === 401)
    c.header(
      'WWW-Authenticate',
      `Bearer realm="lethe", error="${error.code === 'unauthenticated' ? 'invalid_token' : 'insufficient_user_authentication'}"`,
    );
  const body = {
    type: 'about:blank',
    title,
    status,
    detail: shown,
    code: error.code,
    requestId: c.get('requestId'),
    ...(status < 500 ? error.extra : {}),
  };
  return c.body(JSON.stringify(body), status as ContentfulStatusCode);
}

const BY_STATUS: Record<number, ErrorCode> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  413: 'payload_too_large',
};

/** Whatever a handler throws, as a LetheError whose text contains no data of the application. */
export function toLetheError(error: unknown): LetheError {
  if (error instanceof HTTPException) {
    return new LetheError(
      BY_STATUS[error.status] ?? (error.status < 500 ? 'invalid_request' : 'internal_error'),
      STATUS_CODES[error.status] ?? 'error',
    );
  }
  return sanitize(error);
}

/** Parses input with its schema. Throws `invalid_request` that names the first wrong field. */
export function parse<T extends z.ZodType>(schema: T, input: unknown, where: string): z.infer<T> {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw invalid(result.error, where);
}

/** Throws what a route's validators say as `parse` does. It is `OpenAPIHono`'s `defaultHook`. */
export function refuseInvalid(
  result: { target: string } & ({ success: true } | { success: false; error: z.ZodError }),
): void {
  if (!result.success) throw invalid(result.error, result.target === 'json' ? 'body' : result.target);
}

/** `invalid_request` that names the first wrong field, or `where` when the whole is wrong. */
function invalid(error: z.ZodError, where: string): LetheError {
  const issue = error.issues[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0]?.slice(0, 50) : undefined;
  const field = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])].join('.') || where;
  return new LetheError(
    'invalid_request',
    `${field}: ${unknown === undefined ? issue?.message : 'is not a known field'}`,
    { field },
  );
}
