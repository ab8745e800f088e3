import { MailError, type MailProvider } from '../../mail/provider.ts';
import { ownerMail } from '../../mail/templates.ts';
import { retryAfter } from '../../partners/answer.ts';
import { MESSAGE_TYPE } from '../../partners/message.ts';
import { type Answered, openConnections } from '../../partners/request.ts';
import { retryAfterMs } from '../../partners/retry.ts';
import { signMessage } from '../../partners/sign.ts';
import type { OwnerMessage } from './message.ts';
import { problemsOfNotify, type Telling } from './problems.ts';
import type { TellOwner, Tried } from './tell-due.ts';

const TIMEOUT_MS = 10_000;
/** Requests under way at once to one place. */
const MOST = 4;
/** A team is told of what is bad now: waits grow to half an hour, and no further. */
const LONGEST_WAIT_MS = 30 * 60_000;
/** What a gateway answers that does not know whether the message has arrived. */
const UNKNOWN = new Set([502, 504]);

/** Milliseconds until the next try, after so many in a row without success. A message is never given up. */
export const tellAgainMs = (attempts: number): number => Math.min(retryAfterMs(attempts), LONGEST_WAIT_MS);

/** The ways to teams. `close` cuts off what is under way. */
export type Teller = { tell: TellOwner; close: () => Promise<void> };

/** Opens the ways to teams: signed webhooks (Standard Webhooks) and mails. */
export function openTeller(telling: Telling & { provider: MailProvider }): Teller {
  const connections = openConnections({ privateHosts: telling.privateHosts, most: MOST });
  const stopping = new AbortController();

  const post = async (notify: { url: string; secret: string }, message: OwnerMessage): Promise<Tried> => {
    const [problem] = problemsOfNotify(notify, telling);
    if (problem) return { kind: 'refused', words: `cannot be told: ${problem}` };
    const body = JSON.stringify(message);
    const signed = signMessage(telling.variable(notify.secret) as string, { id: message.id, at: new Date(), body });
    const answer = await connections.request({
      method: 'POST',
      url: notify.url,
      headers: { 'content-type': MESSAGE_TYPE, ...signed },
      body,
      timeoutMs: TIMEOUT_MS,
      signal: stopping.signal,
    });
    if (answer.kind === 'answered') return readAnswer(answer);
    return { kind: answer.unsent ? 'refused' : 'unknown', words: answer.words };
  };
  const mail = async (to: string, { id, data }: OwnerMessage): Promise<Tried> => {
    try {
      // One mail for each key, however often it is tried.
      await telling.provider(ownerMail({ to, id, ...data }), `lethe-${id}`);
      return { kind: 'taken', words: 'mailed' };
    } catch (error) {
      const failure = error instanceof MailError ? error : new MailError('unknown', (error as Error).name);
      const words = `the mail was not taken (${failure.code})`;
      return { kind: failure.failure === 'unknown' ? 'unknown' : 'refused', words };
    }
  };
  return {
    tell: (notify, message) => ('mail' in notify ? mail(notify.mail, message) : post(notify, message)),
    close: () => {
      stopping.abort();
      return connections.close();
    },
  };
}

function readAnswer({ status, headers }: Answered): Tried {
  if (status >= 200 && status < 300) return { kind: 'taken', words: `taken (${status})` };
  const afterMs = status === 429 || status === 503 ? Math.min(retryAfter(headers) ?? 0, LONGEST_WAIT_MS) : 0;
  return { kind: UNKNOWN.has(status) ? 'unknown' : 'refused', words: `answered ${status}`, afterMs };
}
