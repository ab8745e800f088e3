import type { Problem } from '../http/bodies/schemas.ts';

/** `unexpected_answer`: something between here and Lethe answered, for example a proxy's error page. */
export type ProblemCode = Problem['code'] | 'unexpected_answer';

/** What Lethe answers instead of a result (RFC 9457). Decide by `code`. */
export class LetheProblem extends Error {
  readonly code: ProblemCode;
  /** The HTTP status. */
  readonly status: number;
  /** Seconds after which the same request may succeed; undefined when trying again is no use. */
  readonly retryAfter: number | undefined;
  /** What was wrong in the request (`invalid_request`). */
  readonly field: string | undefined;
  /** Seconds that a sign-in may be old (`reauthentication_required`). */
  readonly maxAge: number | undefined;
  /** Name it when you ask the operators. */
  readonly requestId: string | undefined;

  constructor(
    problem: Pick<Problem, 'status' | 'detail'> & Partial<Omit<Problem, 'code'>> & { code: ProblemCode },
    retryAfter?: number,
  ) {
    super(problem.detail);
    this.name = 'LetheProblem';
    this.code = problem.code;
    this.status = problem.status;
    this.retryAfter = retryAfter;
    this.field = problem.field;
    this.maxAge = problem.maxAge;
    this.requestId = problem.requestId;
  }
}

/** Reads an answer that is not the wanted one. */
export async function readProblem(response: Response): Promise<LetheProblem> {
  const retryAfter = secondsOf(response.headers.get('Retry-After'));
  if (response.headers.get('Content-Type')?.startsWith('application/problem+json')) {
    const body = (await response.json().catch(() => null)) as Problem | null;
    if (typeof body?.code === 'string') return new LetheProblem(body, retryAfter);
  } else await response.body?.cancel();
  const detail = `unexpected answer: ${response.status} ${response.statusText}`.trim();
  return new LetheProblem({ code: 'unexpected_answer', status: response.status, detail }, retryAfter);
}

/** `Retry-After` is seconds, or a date where a proxy wrote it. */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - Date.now()) / 1000));
}
