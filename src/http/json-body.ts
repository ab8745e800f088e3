import { createMiddleware } from 'hono/factory';
import { LetheError } from '../errors.ts';

const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;

/**
 * Prepares a body for the validators: nothing at all reads as `{}`, whatever the Content-Type says. Throws
 * `invalid_request` for another type and for what is not JSON, where the validators would answer without
 * naming the field.
 */
export const jsonBody = createMiddleware<{ Variables: object }>(async (c, next) => {
  const text = await c.req.raw.text();
  const empty = text.trim() === '';
  if (!empty && !JSON_TYPE.test(c.req.header('Content-Type') ?? ''))
    throw new LetheError('invalid_request', 'Content-Type: expected application/json', { field: 'Content-Type' });
  if (!empty && !isJson(text)) throw new LetheError('invalid_request', 'body: expected JSON', { field: 'body' });
  const headers = new Headers(c.req.raw.headers);
  headers.set('Content-Type', 'application/json');
  c.req.raw = new Request(c.req.raw, { headers, body: empty ? '{}' : text });
  await next();
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
