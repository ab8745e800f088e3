import { type Answered, openConnections } from '../partners/request.ts';
import type { Ask, Asked } from './model.ts';

/** The API gives up earlier. */
const TIMEOUT_MS = 20_000;
const LONGEST_PAUSE_MS = 60_000;
/** Answers of Lethe's own that another try gets as well. A proxy before it may say the same for a moment. */
const REFUSALS = new Set([400, 401, 403, 404, 410, 413, 422]);
const UUID = /^[0-9a-f-]{36}$/;

/**
 * Opens the way to the public API. `url`: where it is reached. `key`: an API key with the scope `erasures:write`. It is
 * asked to start now: test data waits for no undo. An API that says nothing for `timeoutMs` is given up.
 */
export function openAsk(url: string, key: string, timeoutMs = TIMEOUT_MS): { ask: Ask; close: () => Promise<void> } {
  const base = url.replace(/\/+$/, '');
  const connections = openConnections({ privateHosts: [new URL(url).hostname.replace(/^\[(.*)\]$/, '$1')], most: 1 });
  const ask: Ask = async (accountKey, { cycle, turn }, signal) => {
    const answer = await connections.request({
      method: 'POST',
      url: `${base}/v1/accounts/${encodeURIComponent(accountKey)}/erasure`,
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'idempotency-key': `canary-${cycle}-${turn}`,
        // Another Lethe than this one has no such test data, and refuses: its account of this key is a person's.
        'lethe-canary': cycle,
      },
      body: JSON.stringify({ startNow: true }),
      timeoutMs,
      signal,
    });
    return answer.kind === 'unanswered' ? { kind: 'later', words: `the API: ${answer.words}` } : readAsked(answer);
  };
  return { ask, close: connections.close };
}

/** What the API's answer says. Pure. */
export function readAsked({ status, headers, body }: Omit<Answered, 'kind' | 'cut'>): Asked {
  const said = json(body);
  if (status === 200 || status === 202) {
    if (typeof said.id === 'string' && UUID.test(said.id)) return { kind: 'accepted', erasureId: said.id };
    return { kind: 'later', words: `what answered (${status}) is not the API: LETHE_CANARY_URL` };
  }
  if (status >= 300 && status < 400)
    return { kind: 'later', words: `the API answered ${status}, a redirect, which is not followed: LETHE_CANARY_URL` };
  const own = headers['content-type']?.startsWith('application/problem+json') === true;
  const code = own && typeof said.code === 'string' && /^[a-z_]{1,40}$/.test(said.code) ? said.code : undefined;
  const words = `the API answered ${status}${code ? ` (${code})` : ''}`;
  if (code && REFUSALS.has(status)) return { kind: 'refused', words: `${words}${HELP[code] ?? ''}` };
  const after = Number(headers['retry-after']);
  const afterMs = Number.isFinite(after) && after > 0 ? Math.min(LONGEST_PAUSE_MS, after * 1000) : undefined;
  return { kind: 'later', words, ...(afterMs === undefined ? {} : { afterMs }) };
}

const HELP: Readonly<Record<string, string>> = {
  not_found: ': no account has the key that was planted, or LETHE_CANARY_URL names another Lethe',
  unauthenticated: ': canary.key names the variable with the API key',
  forbidden: ': the API key needs the scope erasures:write',
};

function json(body: string): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(body);
    return typeof read === 'object' && read !== null ? (read as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
