import type { Answer } from '../asked.ts';

/** Why a request to the store has come to nothing, as the answer to the call. */
export class Trouble extends Error {
  readonly answer: Answer & { kind: 'later' };
  /** The store's own code, such as `NoSuchUpload`; null where it gave none that can be repeated. */
  readonly code: string | null;
  readonly status: number | undefined;
  constructor(
    words: string,
    of: { down: boolean; afterMs?: number; code?: string | null; status?: number | undefined },
  ) {
    super(words);
    const { down, afterMs, code, status } = of;
    this.answer = { kind: 'later', words, down, ...(afterMs === undefined ? {} : { afterMs }) };
    this.code = code ?? null;
    this.status = status;
  }
}

/** The pause when a store asks for one without saying how long. */
export const PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 3_600_000;

/** Codes with which a store asks for fewer requests. */
const SLOWER = ['SlowDown', 'Throttling', 'ThrottlingException', 'RequestLimitExceeded', 'TooManyRequestsException'];
export const asksForPause = (code: string): boolean => [...SLOWER, 'ServiceUnavailable'].includes(code);

const MEANINGS: Readonly<Record<string, string>> = {
  NoSuchBucket: 'the bucket does not exist',
  AccessDenied: 'the credentials do not allow it',
  InvalidAccessKeyId: 'the credentials are not known',
  SignatureDoesNotMatch: 'the secret of the credentials is wrong',
  ExpiredToken: 'the credentials have expired',
  RequestTimeTooSkewed: 'the clocks are too far apart',
  PermanentRedirect: 'the bucket is in another region',
  AuthorizationHeaderMalformed: 'the region is wrong',
};

/** A code that can be repeated to people: a word, and nothing of a key or a name. */
export const codeOf = (written: unknown): string | null =>
  typeof written === 'string' && /^[A-Z][A-Za-z0-9]{1,63}$/.test(written) ? written : null;

type SdkError = {
  name?: string;
  code?: string;
  Code?: string;
  $metadata?: { httpStatusCode?: number };
  $response?: { headers?: Record<string, string | undefined> };
};

/** What an error of the SDK means. `operation`: the name of the S3 operation. */
export function troubleOf(operation: string, error: unknown): Trouble {
  if (error instanceof Trouble) return error;
  const { name, code: system, Code, $metadata, $response } = error as SdkError;
  const status = $metadata?.httpStatusCode;
  if (status === undefined) return notAnswered(operation, name, system);
  const code = codeOf(Code) ?? codeOf(name);
  if ((code !== null && asksForPause(code)) || status === 429 || status === 503) {
    const afterMs = pauseOf($response?.headers?.['retry-after']);
    return new Trouble(`it asks for a pause${told(code, status)}`, { down: false, afterMs, code, status });
  }
  if (status >= 200 && status < 300)
    return new Trouble(`${operation}: it answered what is no answer of S3`, { down: true, status });
  const meaning = code === null ? undefined : MEANINGS[code];
  return new Trouble(`${operation}: ${meaning ?? 'it refused'}${told(code, status)}`, { down: true, code, status });
}

const told = (code: string | null, status: number) => ` (${[code, status].filter((part) => part !== null).join(', ')})`;

/** No answer came: the connection, or the credentials that were looked for before. */
function notAnswered(operation: string, name: string | undefined, system: string | undefined): Trouble {
  if (name === 'CredentialsProviderError' || name === 'CredentialsError')
    return new Trouble('no credentials were found', { down: true });
  const code = system !== undefined && /^[A-Z_]{3,40}$/.test(system) ? ` (${system})` : '';
  return new Trouble(`${operation}: it cannot be reached${code}`, { down: true });
}

/** Milliseconds of a Retry-After in seconds. */
function pauseOf(header: string | undefined): number {
  const seconds = Number(header);
  return header !== undefined && seconds > 0 ? Math.min(seconds * 1000, LONGEST_PAUSE_MS) : PAUSE_MS;
}
