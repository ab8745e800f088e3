import type { ChannelModel, ConfirmChannel } from 'amqplib';
import type { Logger } from '../logger.ts';
import { type Bus, type BusEvent, type Published, STORED, TOO_LARGE, WINDOW, within } from './bus.ts';

/** One connection with its channel, from the moment that it stands until it ends. */
type Line = {
  readonly connection: ChannelModel;
  readonly channel: ConfirmChannel;
  /** Queues that are known to be there. */
  readonly queues: Set<string>;
  /** Ids of events that came back: no queue took them. */
  readonly returned: Set<string>;
  /** Why the server takes nothing, in its words; null: it does. */
  blocked: string | null;
  ended: boolean;
  /** What to do with events whose confirmation is awaited, when the line ends or is blocked. */
  readonly waiting: Set<(words: string) => void>;
};

const CONNECT_MS = 5_000;
const RETURNED = 'no queue of that name takes the event any more';
const FULL = 'the queue is full: RabbitMQ refuses the event';
const LOST = 'the connection with RabbitMQ was lost';

const away = (words: string): Published => ({ stored: false, why: 'away', words });

/**
 * Publishes to queues over AMQP 0.9.1 (RabbitMQ). Each event is persistent, mandatory and confirmed. A queue that is not
 * there is made: durable, of type quorum, bounded, refusing what is too much. One that is there is taken as it is.
 */
export function openAmqp({ url, prefix }: { url: string; prefix: string }, log: Logger): Bus {
  let line: Promise<Line> | null = null;
  let closed = false;
  const reach = (): Promise<Line> => {
    if (closed) return Promise.reject(new Error('closed'));
    if (line) return line;
    const opening = openLine(url, log, () => {
      if (line === opening) line = null;
    });
    line = opening;
    return opening;
  };
  const name = prefix.replace(/[{}]/g, '');

  return {
    channelOf: (partner, named) => named ?? `${name}.${partner}`,
    publish: async (queue, events, signal) => {
      try {
        const on = await reach();
        if (on.blocked === null) await ensureQueue(on, queue);
        const taken = within(events);
        const published = await publishAll(on, queue, events.slice(0, taken), signal);
        return [...published, ...events.slice(taken).map(() => TOO_LARGE)];
      } catch (error) {
        return events.map(() => away(wordsOf(error)));
      }
    },
    room: async (queue) => {
      try {
        const on = await reach();
        if (on.blocked !== null) return 1;
        return Math.max(0, WINDOW.events - (await countMessages(on, queue)));
      } catch {
        return 1;
      }
    },
    close: async () => {
      closed = true;
      await line?.then(({ connection }) => connection.close()).catch(() => {});
    },
  };
}

async function openLine(url: string, log: Logger, onEnd: () => void): Promise<Line> {
  try {
    const { connect } = await import('amqplib');
    const connection = await connect(withHeartbeat(url), { timeout: CONNECT_MS });
    let on: Line | undefined;
    const end = () => {
      onEnd();
      if (!on || on.ended) return;
      on.ended = true;
      for (const settle of on.waiting) settle(LOST);
    };
    // An error is told before `close`, which says the rest.
    connection.on('error', () => {});
    connection.on('close', end);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    channel.on('close', () => {
      end();
      // A channel ends alone when the server refuses what was asked on it. The next call opens a new line.
      connection.close().catch(() => {});
    });
    on = {
      connection,
      channel,
      queues: new Set(),
      returned: new Set(),
      waiting: new Set(),
      blocked: null,
      ended: false,
    };
    const known = on;
    channel.on('return', ({ properties }) => {
      known.returned.add(String(properties.messageId));
      known.queues.clear();
    });
    connection.on('blocked', (reason) => {
      known.blocked = reason;
      log.warn({ reason }, 'RabbitMQ takes no events for now');
      for (const settle of known.waiting) settle(blockedWords(reason));
    });
    connection.on('unblocked', () => {
      known.blocked = null;
      log.info('RabbitMQ takes events again');
    });
    return known;
  } catch (error) {
    onEnd();
    throw error;
  }
}

const blockedWords = (reason: string) => `RabbitMQ takes no events for now: ${reason.slice(0, 100)}`;

/** A connection that hangs is given up after two beats that did not come. */
function withHeartbeat(url: string): string {
  const parsed = new URL(url);
  if (!parsed.searchParams.has('heartbeat')) parsed.searchParams.set('heartbeat', '10');
  return parsed.toString();
}

/** Publishes events, and waits until the server has each. What is not confirmed when the line ends or time is up is away. */
function publishAll(on: Line, queue: string, events: readonly BusEvent[], signal: AbortSignal): Promise<Published[]> {
  if (on.blocked !== null) return Promise.resolve(events.map(() => away(blockedWords(on.blocked as string))));
  if (on.ended) return Promise.resolve(events.map(() => away(LOST)));
  if (events.length === 0) return Promise.resolve([]);
  return new Promise((resolve) => {
    const known = new Map<number, Published>();
    const end = (words: string) => {
      on.waiting.delete(end);
      signal.removeEventListener('abort', late);
      resolve(events.map((_, at) => known.get(at) ?? away(words)));
    };
    const late = () => end('RabbitMQ did not confirm the event in time');
    const settle = (at: number, outcome: Published) => {
      known.set(at, outcome);
      if (known.size === events.length) end('');
    };
    on.waiting.add(end);
    signal.addEventListener('abort', late, { once: true });
    if (signal.aborted) return late();
    try {
      for (const [at, event] of events.entries())
        on.channel.publish('', queue, Buffer.from(event.body), propertiesOf(event), (error) => {
          // What no queue took is returned first, and confirmed after.
          const returned = on.returned.delete(event.id);
          settle(at, returned ? away(RETURNED) : error ? { stored: false, why: 'full', words: FULL } : STORED);
        });
    } catch {
      end(LOST);
    }
  });
}

const propertiesOf = ({ id, partner, headers }: BusEvent) => ({
  mandatory: true,
  persistent: true,
  messageId: id,
  type: 'lethe.erasure.requested',
  contentType: 'application/cloudevents+json',
  headers: { partner, ...headers },
});

/** Makes a queue that is not there. Each question has a channel of its own: an answer that is a refusal ends it. */
async function ensureQueue(on: Line, queue: string): Promise<void> {
  if (on.queues.has(queue)) return;
  try {
    await onChannel(on, (channel) => channel.checkQueue(queue));
  } catch (error) {
    if ((error as { code?: number }).code !== 404) throw error;
    await onChannel(on, (channel) =>
      channel.assertQueue(queue, {
        durable: true,
        arguments: {
          'x-queue-type': 'quorum',
          'x-overflow': 'reject-publish',
          'x-max-length': WINDOW.events,
          'x-max-length-bytes': WINDOW.bytes,
        },
      }),
    );
  }
  on.queues.add(queue);
}

/** Messages that nobody has been given yet. */
async function countMessages(on: Line, queue: string): Promise<number> {
  await ensureQueue(on, queue);
  const { messageCount } = await onChannel(on, (channel) => channel.checkQueue(queue));
  return messageCount;
}

async function onChannel<T>(on: Line, ask: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const channel = (await on.connection.createChannel()) as ConfirmChannel;
  channel.on('error', () => {});
  const answer = await ask(channel);
  await channel.close();
  return answer;
}

/** The server's refusal by its code, or that nobody answers. What stands in an address is not repeated. */
function wordsOf(error: unknown): string {
  const { code } = error as { code?: number | string };
  if (code === 403) return 'RabbitMQ refuses this user the queue (403)';
  if (code === 405) return 'the queue belongs to another connection (405)';
  if (typeof code === 'number') return `RabbitMQ refuses the queue (${code})`;
  if (/ACCESS_REFUSED|403/.test(String((error as Error).message))) return 'RabbitMQ refuses the user or the password';
  return `RabbitMQ cannot be reached${typeof code === 'string' ? `: ${code}` : ''}`;
}
