import { createMiddleware } from 'hono/factory';
import { LetheError } from '../../errors.ts';

const JSON_TYPE = /^application\/([\w.-]+\+)?json\s*(;|$)/i;
/** The spelling of nearly all clients. The validators do not take every other one. */
const PLAIN = /^application\/json(; ?charset=utf-8)?$/i;

/**
 * Prepares a body for the validators: an empty one reads as `{}`, whatever the Content-Type says. Throws
 * `invalid_request` for another type and for what is not JSON: the validators would not name the field.
 */
export const jsonBody = createMiddleware<{ Variables: object }>(async (c, next) => {
  const text = await c.req.text();
  const empty = text.trim() === '';
  if (!empty && !JSON_TYPE.test(c.req.header('Content-Type') ?? ''))
    throw new LetheError('invalid_request', 'Content-Type: expected application/json', { field: 'Content-Type' });
  if (!empty && !isJson(text)) throw new LetheError('invalid_request', 'body: expected JSON', { field: 'body' });
  // The validators read the text that was read here. Making another request for them takes as long as their whole work.
  if (!empty && PLAIN.test(c.req.header('Content-Type') ?? '')) return next();
  const headers = new Headers(c.req.raw.headers);
  headers.set('Content-Type', 'application/json');
  c.req.raw = new Request(c.req.raw, { headers, body: empty ? '{}' : text });
  c.req.bodyCache = {};
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
