import { z } from '@hono/zod-openapi';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import { Erasure, ErasureId, Problem } from '../bodies/schemas.ts';

// What several route definitions share.

export const JWT = { jwt: [] };
export const API_KEY = { apiKey: [] };
export const STATUS_TOKEN = { statusToken: [] };
export const TASK_TOKEN = { taskToken: [] };
export const SIGNATURE = { signature: [] };

export const erasureParams = z.object({
  id: ErasureId.openapi({ param: { name: 'id', in: 'path' } }),
});

export const noStore = {
  'Cache-Control': { description: 'Never stored.', schema: { type: 'string' as const, const: 'no-store' } },
};
export const retryAfter = {
  'Retry-After': {
    description: 'Seconds after which asking again is worth it.',
    schema: { type: 'integer' as const, minimum: 0 },
  },
};
export const location = {
  Location: {
    description: 'The path of the erasure.',
    schema: { type: 'string' as const, examples: ['/v1/erasures/019a9f3e-5b7c-7d3a-9a55-0d6d3c1f2b10'] },
  },
};

/** An answer that shows an erasure. */
export const shownErasure = (
  description: string,
  headers: Record<string, { description: string; schema: object }> = retryAfter,
) => ({
  description,
  headers: { ...noStore, ...headers },
  content: { 'application/json': { schema: Erasure } },
});

/** For routes that refuse nothing themselves: what the server answers before any route is asked. */
export const tooLargeHeaders = {
  431: { description: 'The headers have more than 16 KiB. Without a body: the server says so, not a route.' },
};

/** What every route below `/v1` may answer, beside its own. */
const EVERYWHERE: readonly ErrorCode[] = [
  'unauthenticated',
  'forbidden',
  'invalid_request',
  'payload_too_large',
  'rate_limited',
  'internal_error',
  'database_error',
  'database_unavailable',
  'keys_unavailable',
];

/** The codes that some route names: each has an example in the document. */
export const named = new Set<ErrorCode>();

type ProblemResponse = {
  description: string;
  headers: typeof retryAfter | Record<string, never>;
  content: { 'application/problem+json': { schema: typeof Problem; examples: Record<string, { $ref: string }> } };
};

/** The problems of a route, as responses by status: each names its codes and shows an example of each. */
export function problems(...own: ErrorCode[]): Record<string, ProblemResponse> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...EVERYWHERE, ...own]) {
    const { status } = ERRORS[code];
    named.add(code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, codes]) => [String(status), problemResponse(codes)]));
}

const problemResponse = (codes: ErrorCode[]): ProblemResponse => ({
  description: codes.map((code) => `\`${code}\`: ${ERRORS[code].title}.`).join(' '),
  headers: codes.some((code) => ERRORS[code].retry === 'now' && ERRORS[code].status !== 500) ? retryAfter : {},
  content: {
    'application/problem+json': {
      schema: Problem,
      examples: Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }])),
    },
  },
});

/** The examples that `problems` refers to. */
export const problemExample = (code: ErrorCode): Problem => ({
  type: 'about:blank',
  title: ERRORS[code].title,
  status: ERRORS[code].status,
  detail: code === 'invalid_request' ? 'id: expected the id of an erasure' : ERRORS[code].title,
  code,
  requestId: '2f1c6d0e-7a30-4b8e-9f51-3f0f5a7c9d11',
  ...(code === 'invalid_request' ? { field: 'id' } : {}),
  ...(code === 'rate_limited' ? { retryAfter: 24 } : {}),
  ...(code === 'reauthentication_required' ? { maxAge: 900 } : {}),
});

/** For open routes that are limited by address. */
export const rateLimited = { 429: problemResponse(['rate_limited']) };
