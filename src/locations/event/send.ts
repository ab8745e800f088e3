import type { Bus, BusEvent, Published } from '../../bus/bus.ts';
import { buildMessage } from '../../partners/message.ts';
import { signMessage } from '../../partners/sign.ts';
import type { Answer, Call, Sender, SenderTools } from '../asked.ts';
import { type EventLocation, secretOf } from './declare.ts';

/** A channel that was full for one event is tried again after that. */
const FULL_MS = 1_000;
/** Calls with keys that are published at once: each may have 100 kB. */
const WITH_KEYS = 20;

const ACCEPTED: Answer = { kind: 'accepted', words: 'published; its acknowledgement is awaited' };

/** Publishes calls as events. What the bus has stored is accepted: the partner acknowledges it, or it is published again. */
export class EventSender implements Sender<EventLocation> {
  readonly batch = 1_000;
  readonly #tools: SenderTools;
  readonly #bus: Bus;

  constructor(tools: SenderTools, bus: Bus) {
    this.#tools = tools;
    this.#bus = bus;
  }

  async room(location: EventLocation): Promise<number> {
    const room = await this.#bus.room(this.#channelOf(location));
    return location.each ? Math.min(room, WITH_KEYS) : room;
  }

  async send(location: EventLocation, calls: readonly Call[], signal: AbortSignal): Promise<Answer[]> {
    const name = secretOf(location);
    const secret = name === undefined ? null : this.#tools.variable(name);
    if (secret === undefined)
      return calls.map(() => ({ kind: 'later', words: `cannot be signed: ${name} is not set`, down: true }));
    const events = calls.map((call) => this.#eventOf(call, secret));
    const until = AbortSignal.any([signal, AbortSignal.timeout(location.pacing.timeoutMs)]);
    return (await this.#bus.publish(this.#channelOf(location), events, until)).map(answerOf);
  }

  /** The message, signed anew with each try: a signature is good for five minutes. */
  #eventOf(call: Call, secret: string | null): BusEvent {
    const body = JSON.stringify(buildMessage(call, this.#tools));
    const headers = secret === null ? {} : signMessage(secret, { id: call.id, at: new Date(), body });
    return { id: call.id, partner: call.location, body, headers };
  }

  #channelOf({ name, asks }: EventLocation): string {
    return this.#bus.channelOf(name, asks.stream);
  }

  close(): Promise<void> {
    return this.#bus.close();
  }
}

/** What was perhaps stored comes again: it has the same id. */
function answerOf(published: Published): Answer {
  if (published.stored) return ACCEPTED;
  const { why, words } = published;
  return why === 'full'
    ? { kind: 'later', words, down: false, afterMs: FULL_MS }
    : { kind: 'later', words, down: true };
}
