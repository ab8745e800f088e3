import { classify, type Outcome, partnersClock } from '../../partners/answer.ts';
import { buildMessage, MESSAGE_TYPE } from '../../partners/message.ts';
import { type Answered, type Connections, openConnections } from '../../partners/request.ts';
import { signMessage } from '../../partners/sign.ts';
import type { Answer, Call, Sender, SenderTools } from '../asked.ts';
import { type HttpLocation, secretOf } from './declare.ts';
import { problemsOf } from './problems.ts';

/** A clock that is so far from ours is told of, and signed for. Receivers allow five minutes. */
const APART_MS = 60_000;
/** What a receiver answers that does not believe a signature. */
const REFUSED = new Set([400, 401, 403]);

/** Posts the messages of calls, each signed anew with the secret as it is now. One call a request. */
export class HttpSender implements Sender<HttpLocation> {
  readonly batch = 1;
  readonly #tools: SenderTools;
  readonly #connections = new Map<string, Connections>();
  /** How far the clocks of partners are ahead of ours, where they have refused a signature. Milliseconds. */
  readonly #ahead = new Map<string, number>();

  constructor(tools: SenderTools) {
    this.#tools = tools;
  }

  async send(location: HttpLocation, calls: readonly Call[], signal: AbortSignal): Promise<Answer[]> {
    const [problem] = problemsOf(location, this.#tools);
    if (problem) return calls.map(() => ({ kind: 'later', words: `cannot be asked: ${problem}`, down: true }));
    return Promise.all(calls.map((call) => this.#ask(location, call, signal)));
  }

  async #ask(location: HttpLocation, call: Call, signal: AbortSignal): Promise<Answer> {
    const { name, asks, pacing } = location;
    const body = JSON.stringify(buildMessage(call, this.#tools));
    const at = new Date(Date.now() + (this.#ahead.get(name) ?? 0));
    const signed = signMessage(this.#tools.variable(secretOf(location)) as string, { id: call.id, at, body });
    const answer = await this.#connectionsOf(location).request({
      method: 'POST',
      url: asks.url,
      headers: { 'content-type': MESSAGE_TYPE, ...signed },
      body,
      timeoutMs: pacing.timeoutMs,
      signal,
    });
    if (answer.kind === 'unanswered') return { ...answer, kind: 'later' };
    const outcome = classify(answer, call.id);
    return REFUSED.has(answer.status) ? this.#withClock(name, answer, outcome) : outcome;
  }

  /**
   * Learns from a refusal how far the partner's clock is from ours: it refuses good signatures that it takes for old ones. The
   * next try is signed for its clock.
   */
  #withClock(name: string, { headers }: Answered, outcome: Outcome): Outcome {
    const now = Date.now();
    const ahead = (partnersClock(headers.date) ?? now) - now;
    if (Math.abs(ahead) < APART_MS) {
      this.#ahead.delete(name);
      return outcome;
    }
    this.#ahead.set(name, ahead);
    const apart = `${Math.round(Math.abs(ahead) / 1000)} seconds ${ahead > 0 ? 'ahead of' : 'behind'}`;
    return { ...outcome, words: `${outcome.words}; its clock is ${apart} ours, and the next try is signed for it` };
  }

  #connectionsOf({ name, pacing }: HttpLocation): Connections {
    const of = `${name} ${pacing.concurrency}`;
    const open = this.#connections.get(of);
    if (open) return open;
    const opened = openConnections({ privateHosts: this.#tools.privateHosts, most: pacing.concurrency });
    this.#connections.set(of, opened);
    return opened;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections.values()].map((connections) => connections.close()));
    this.#connections.clear();
  }
}
