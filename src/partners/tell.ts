import { isRefusedHost, mayBePrivate } from './addresses.ts';
import type { Acknowledgement } from './message.ts';
import { type Answered, openConnections } from './request.ts';

/** What came of telling. `unknown`: nobody there knows the task any more. `words` hold no value of what was said. */
export type Told = { readonly kind: 'taken' | 'unknown' | 'later'; readonly words: string };

/** Acknowledges a message at its URL with its token. Never rejects. */
export type Tell = (url: string, token: string, said: Acknowledgement) => Promise<Told>;

const TIMEOUT_MS = 10_000;
/** Acknowledgements under way at once, to one place. */
const MOST = 4;

/** Why nothing may be sent to an address that somebody else has chosen, in words; undefined: it may. */
export function problemOfUrl(url: string, privateHosts: readonly string[]): string | undefined {
  const { protocol, hostname, username, password } = new URL(url);
  if (username !== '' || password !== '') return 'expected a URL without a user';
  if (isRefusedHost(privateHosts, hostname)) return 'its address is private, and not in LETHE_PRIVATE_HOSTS';
  if (protocol === 'https:' || (protocol === 'http:' && mayBePrivate(privateHosts, hostname))) return undefined;
  return 'expected https://, or a host that is in LETHE_PRIVATE_HOSTS';
}

/** Opens the way to those who asked for an erasure by a message. `close` cuts off what is under way. */
export function openTell(privateHosts: readonly string[]): { tell: Tell; close: () => Promise<void> } {
  const connections = openConnections({ privateHosts, most: MOST });
  const stopping = new AbortController();
  const tell: Tell = async (url, token, said) => {
    const problem = problemOfUrl(url, privateHosts);
    if (problem) return { kind: 'later', words: problem };
    const answer = await connections.request({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(said),
      timeoutMs: TIMEOUT_MS,
      signal: stopping.signal,
    });
    return answer.kind === 'unanswered' ? { kind: 'later', words: answer.words } : readAnswer(answer);
  };
  const close = () => {
    stopping.abort();
    return connections.close();
  };
  return { tell, close };
}

/** A `404` counts when Lethe itself gives it: a wrong route answers so as well. */
function readAnswer({ status, headers, body }: Answered): Told {
  if (status >= 200 && status < 300) return { kind: 'taken', words: `it took the acknowledgement (${status})` };
  const problem = headers['content-type']?.startsWith('application/problem+json') ? codeOf(body) : undefined;
  if (status === 404 && problem === 'not_found') return { kind: 'unknown', words: 'it knows the task no more (404)' };
  return { kind: 'later', words: `it answered the acknowledgement with ${status}` };
}

function codeOf(body: string): unknown {
  try {
    return (JSON.parse(body) as { code?: unknown } | null)?.code;
  } catch {
    return undefined;
  }
}
