import { v7 as uuidv7 } from 'uuid';
import { classify, partnersClock } from '../../partners/answer.ts';
import { buildLook, buildPlant } from '../../partners/canary.ts';
import { readLooked, readPlanted } from '../../partners/canary-answer.ts';
import { buildMessage, MESSAGE_TYPE } from '../../partners/message.ts';
import { type Answered, type Connections, openConnections, type Unanswered } from '../../partners/request.ts';
import { signMessage } from '../../partners/sign.ts';
import type { Answer, Call, Looking, Planted, Planting, Sender, SenderTools } from '../asked.ts';
import { type HttpLocation, secretOf } from './declare.ts';
import { problemsAt } from './problems.ts';

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
    const [problem] = problemsAt(location, 'url', this.#tools);
    if (problem) return calls.map(() => ({ kind: 'later', words: `cannot be asked: ${problem}`, down: true }));
    return Promise.all(calls.map((call) => this.#ask(location, call, signal)));
  }

  async #ask(location: HttpLocation, call: Call, signal: AbortSignal): Promise<Answer> {
    const { answer, apart } = await this.#post(location, 'url', buildMessage(call, this.#tools), signal);
    if (answer.kind === 'unanswered') return { ...answer, kind: 'later' };
    const outcome = classify(answer, call.id);
    return { ...outcome, words: `${outcome.words}${apart}` };
  }

  /**
   * Another planting of the same test data has the same id. A partner that does not find at once what it has planted would
   * say after the erasure that it is gone, whatever it has erased.
   */
  async plant(location: HttpLocation, of: Planted, signal: AbortSignal): Promise<Planting> {
    const unable = this.#unableAt(location);
    if (unable) return { kind: 'unable', words: unable };
    // The erasure will not ask it either: it is told of rows, and there are none.
    if (location.each && of.keys?.length === 0)
      return { kind: 'unable', words: `no row of ${location.each.location} is planted` };
    const told = { ...of, partner: location.name, keys: of.keys ?? (location.each ? [of.marker] : null) };
    const message = buildPlant(told, { publicUrl: this.#tools.publicUrl, at: new Date() });
    const { answer, apart } = await this.#post(location, 'canary', message, signal);
    if (answer.kind === 'unanswered') return { kind: 'later', words: answer.words };
    const planted = readPlanted(answer, message.id);
    if (planted.kind === 'later') return { ...planted, words: `${planted.words}${apart}` };
    const seen = await this.look(location, of, signal);
    if (seen.kind === 'present') return planted;
    return { kind: 'later', words: `says that it has planted, and asked for it: ${seen.words}` };
  }

  /** Each question has an id of its own: a partner that keeps its answers by id must look anew. */
  async look(location: HttpLocation, of: Planted, signal: AbortSignal): Promise<Looking> {
    const unable = this.#unableAt(location);
    if (unable) return { kind: 'unable', words: unable };
    const asked = { ...of, id: uuidv7(), partner: location.name };
    const message = buildLook(asked, { publicUrl: this.#tools.publicUrl, at: new Date() });
    const { answer, apart } = await this.#post(location, 'canary', message, signal);
    if (answer.kind === 'unanswered') return { kind: 'unknown', words: answer.words };
    const looked = readLooked(answer, message.id);
    return { ...looked, words: `${looked.words}${apart}` };
  }

  /** Why test data can neither be planted nor looked for. */
  #unableAt(location: HttpLocation): string | undefined {
    if (location.asks.canary === undefined) return 'has no http.canary in the catalog';
    const [problem] = problemsAt(location, 'canary', this.#tools);
    return problem && `cannot be asked: ${problem}`;
  }

  /** `apart`: what its clock does to the signature, to be added to the words; mostly nothing. */
  async #post(
    location: HttpLocation,
    to: 'url' | 'canary',
    message: { readonly id: string },
    signal: AbortSignal,
  ): Promise<{ answer: Answered | Unanswered; apart: string }> {
    const { name, asks, pacing } = location;
    const body = JSON.stringify(message);
    const at = new Date(Date.now() + (this.#ahead.get(name) ?? 0));
    const signed = signMessage(this.#tools.variable(secretOf(location)) as string, { id: message.id, at, body });
    const answer = await this.#connectionsOf(location).request({
      method: 'POST',
      url: asks[to] as string,
      headers: { 'content-type': MESSAGE_TYPE, ...signed },
      body,
      timeoutMs: pacing.timeoutMs,
      signal,
    });
    const isRefused = answer.kind === 'answered' && REFUSED.has(answer.status);
    return { answer, apart: isRefused ? this.#learnClock(name, answer) : '' };
  }

  /**
   * Learns from a refusal how far the partner's clock is from ours: it refuses good signatures that it takes for old ones. The
   * next try is signed for its clock.
   */
  #learnClock(name: string, { headers }: Answered): string {
    const now = Date.now();
    const ahead = (partnersClock(headers.date) ?? now) - now;
    if (Math.abs(ahead) < APART_MS) {
      this.#ahead.delete(name);
      return '';
    }
    this.#ahead.set(name, ahead);
    const apart = `${Math.round(Math.abs(ahead) / 1000)} seconds ${ahead > 0 ? 'ahead of' : 'behind'}`;
    return `; its clock is ${apart} ours, and the next try is signed for it`;
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
