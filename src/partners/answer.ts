import { acknowledgementSchema } from './message.ts';
import type { Answered } from './request.ts';

/**
 * What came of one try, as a sender says it. `down`: whatever call came would have failed as well. `afterMs`: the partner
 * asks for a pause, of all calls.
 */
export type Outcome =
  | { readonly kind: 'done' | 'accepted'; readonly words: string }
  | { readonly kind: 'later'; readonly words: string; readonly down: boolean; readonly afterMs?: number };

/** The longest pause that a partner is granted: as long as the longest wait between tries. */
const LONGEST_PAUSE_MS = 12 * 3_600_000;

const later = (words: string, down: boolean): Outcome => ({ kind: 'later', words, down });

/**
 * What an answer to a message says of it, by the contract of partners. Only an answer that says so means erased: a wrong
 * route, a page for everything or a proxy answers as well. `words` hold nothing of the answer but its status.
 *
 * `down` is what concerns every call: the route, the signature, the server. What may concern this message alone is not.
 */
export function classify(answer: Answered, task: string, now = new Date()): Outcome {
  const { status } = answer;
  if (status === 204) return { kind: 'done', words: 'erased (204)' };
  if (status === 200) return readBody(answer, task);
  if (status === 202) return { kind: 'accepted', words: 'accepted (202): an acknowledgement is awaited' };
  if (status === 409) return { kind: 'accepted', words: 'scheduled already (409): an acknowledgement is awaited' };
  if (status === 429 || status === 503) return readPause(answer, now);
  return wordsOf(status, status === 422 ? fieldOf(answer) : '');
}

function wordsOf(status: number, field: string): Outcome {
  if (status < 300) return later(`answered ${status}, which does not say that it is erased`, true);
  if (status < 400) return later(`answered with a redirect (${status}), which is not followed`, true);
  if (status === 401 || status === 403) return later(`refused the signature or the caller (${status})`, true);
  if (status === 404 || status === 405 || status === 410)
    return later(`answered ${status}: the route may be wrong, and nothing says that it is erased`, true);
  if (status < 500) return later(`refused the message (${status}${field})`, false);
  return later(`failed (${status})`, true);
}

/** Which member was refused, where a problem (RFC 9457) of Lethe's form names it: a name, and never a value. */
function fieldOf({ headers, body }: Answered): string {
  if (!headers['content-type']?.startsWith('application/problem+json')) return '';
  const { field } = (parse(body) ?? {}) as { field?: unknown };
  return typeof field === 'string' && /^[a-z][\w.]{0,60}$/i.test(field) ? `: ${field}` : '';
}

/** The words for an answer that is not `200`, whatever was asked. */
export function explain(answer: Answered): string {
  const { status } = answer;
  if (status === 429 || status === 503) return readPause(answer, new Date()).words;
  return wordsOf(status, status === 422 ? fieldOf(answer) : '').words;
}

/** The JSON of a `200`, or why it is no answer to a message. */
export function readJson({ headers, body, cut }: Answered): { said: unknown } | { problem: string } {
  if (cut) return { problem: 'answered 200 with more than 64 kB: not an answer to the message' };
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return { problem: 'answered 200 in a compressed form, which was not asked for' };
  const said = parse(body);
  return said === undefined ? { problem: 'answered 200 without JSON: the route may be wrong' } : { said };
}

/** A `200` counts when its JSON echoes the task, and says nothing but that it is gone. */
function readBody(answer: Answered, task: string): Outcome {
  const json = readJson(answer);
  if ('problem' in json) return later(json.problem, true);
  const { said } = json;
  const read = acknowledgementSchema.safeParse(said);
  if (!read.success || read.data.task !== task)
    return later('answered 200 without the id of the task and a status: nothing says that it is erased', true);
  if (read.data.status === 'failed') return later('answered that it failed', false);
  if (hasError(said)) return later('answered 200 with an error inside', false);
  return { kind: 'done', words: read.data.status === 'erased' ? 'erased (200)' : 'had nothing (200)' };
}

const hasError = (said: unknown): boolean => {
  const { error, errors } = said as { error?: unknown; errors?: unknown };
  return Boolean(error) || (Array.isArray(errors) ? errors.length > 0 : Boolean(errors));
};

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** A partner that says when it can be asked again is not down: all calls wait until then. */
function readPause({ status, headers }: Answered, now: Date): Outcome {
  const afterMs = retryAfter(headers, now);
  const words = status === 429 ? 'has too many requests (429)' : 'is unavailable (503)';
  if (afterMs === undefined) return later(words, true);
  return { kind: 'later', words: `${words}, and asks for a pause`, down: false, afterMs };
}

/**
 * `Retry-After` in milliseconds: seconds, or a date (RFC 9110, 10.2.3). A date is compared with the partner's own clock,
 * where it says what that shows. Undefined: none, or not readable.
 */
export function retryAfter(headers: Answered['headers'], now = new Date()): number | undefined {
  const { 'retry-after': text, date } = headers;
  if (text === undefined) return undefined;
  const until = partnersClock(text);
  const wait = until === undefined ? seconds(text) : until - (partnersClock(date) ?? now.getTime());
  return wait === undefined ? undefined : Math.min(Math.max(wait, 0), LONGEST_PAUSE_MS);
}

const seconds = (text: string) => (/^\d+$/.test(text) ? Number(text) * 1000 : undefined);

/** A date of HTTP in milliseconds since 1970; undefined: none. */
export function partnersClock(date: string | undefined): number | undefined {
  const at = date?.endsWith('GMT') ? Date.parse(date) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
