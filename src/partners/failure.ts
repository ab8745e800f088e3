/** What went wrong with a connection, by the code of its error, in the words that support reads. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset before the answer was complete',
  EPIPE: 'the connection was reset before the answer was complete',
  UND_ERR_SOCKET: 'the connection was closed before the answer was complete',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer was not as long as it said',
  UND_ERR_HEADERS_OVERFLOW: 'its answer has more than 16 kB of headers',
  HPE_HEADER_OVERFLOW: 'its answer has more than 16 kB of headers',
  ENOTFOUND: 'its host has no address',
  EAI_AGAIN: 'its host could not be looked up',
  EHOSTUNREACH: 'its host cannot be reached',
  ENETUNREACH: 'its network cannot be reached',
  ETIMEDOUT: 'its host does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'its host does not answer',
};

/** What is wrong with one request, and not with whom it is for. */
const NOT_SENT = new Set(['UND_ERR_INVALID_ARG', 'ERR_INVALID_URL']);

/** There was no connection, so that nothing of the request has arrived. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'PRIVATE_ADDRESS',
]);

/**
 * The cause of a request that got no answer. The message of an error may quote the request, and is never shown. `unsent`:
 * nothing of it has arrived; absent where it may have.
 */
export function readFailure(error: unknown): { words: string; down: boolean; unsent?: true } {
  const { code } = error as { code?: string };
  if (NOT_SENT.has(code ?? ''))
    return { words: 'the request cannot be sent as it is: look at its URL and headers', down: false, unsent: true };
  const cause = causeOf(error);
  return { words: wordsOf(cause), down: true, ...(NOT_CONNECTED.has(cause.code ?? '') ? { unsent: true } : {}) };
}

type Cause = { code?: string; message?: string; name?: string };

/** With several addresses there is an error for each. */
function causeOf(error: unknown): Cause {
  const { errors: [first] = [] } = error as { errors?: unknown[] };
  return (first ?? error) as Cause;
}

function wordsOf({ code, message, name }: Cause): string {
  if (code === 'PRIVATE_ADDRESS') return message as string;
  if (code && WORDS[code]) return WORDS[code];
  if (name === 'HTTPParserError') return 'its answer is not HTTP';
  if (code === undefined) return 'the request failed';
  if (/CERT|SSL|TLS|SELF_SIGNED|ISSUER/.test(code)) return `its certificate is not accepted (${code})`;
  return `the request failed (${code})`;
}
