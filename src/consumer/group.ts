import type { Redis } from 'ioredis';
import type { Entry } from './read-event.ts';

/** How long one read waits for events that are not there yet. */
const BLOCK_MS = 2_000;

/** The part of a stream that one consumer of a group sees. */
export class Group {
  readonly #redis: Redis;
  /** Waits, and so carries nothing else. */
  readonly #waiting: Redis;
  readonly #stream: string;
  readonly #group: string;
  readonly #consumer: string;
  #from = '0-0';

  constructor(redis: Redis, waiting: Redis, of: { stream: string; group: string; consumer: string }) {
    this.#redis = redis;
    this.#waiting = waiting;
    this.#stream = of.stream;
    this.#group = of.group;
    this.#consumer = of.consumer;
  }

  /** Makes the group, from the first entry on, where it is not there: also after FLUSHALL, or a deletion. */
  async create(): Promise<void> {
    await this.#redis.xgroup('CREATE', this.#stream, this.#group, '0', 'MKSTREAM').catch((error: Error) => {
      if (!error.message.startsWith('BUSYGROUP')) throw error;
    });
  }

  /** The next entry that nobody has, waiting a moment for one. */
  async next(): Promise<Entry | null> {
    const read = (await this.#waiting.xreadgroup(
      ...(['GROUP', this.#group, this.#consumer, 'COUNT', 1, 'BLOCK', BLOCK_MS, 'STREAMS', this.#stream, '>'] as const),
    )) as [string, Entry[]][] | null;
    return read?.[0]?.[1]?.[0] ?? null;
  }

  /** An entry that another consumer has had for so long that it must be dead. Each call goes on where the last one ended. */
  async claim(idleMs: number): Promise<Entry | null> {
    const [next, entries] = (await this.#redis.xautoclaim(
      ...([this.#stream, this.#group, this.#consumer, idleMs, this.#from, 'COUNT', 1] as const),
    )) as [string, Entry[]];
    this.#from = next;
    return entries[0] ?? null;
  }

  /** Lets nobody else handle the same event, which may stand in the stream twice. False: somebody does. */
  async lock(task: string, ms: number): Promise<boolean> {
    return (await this.#redis.set(this.#lockOf(task), this.#consumer, 'PX', ms, 'NX')) === 'OK';
  }

  async unlock(task: string): Promise<void> {
    if ((await this.#redis.get(this.#lockOf(task))) === this.#consumer) await this.#redis.del(this.#lockOf(task));
  }

  #lockOf(task: string): string {
    return `${this.#stream}:handled:${this.#group}:${task}`;
  }

  /** Says that this consumer still works on an event, so that nobody takes it over. */
  async keep(id: string, task: string, ms: number): Promise<void> {
    await this.#redis.set(this.#lockOf(task), this.#consumer, 'PX', ms);
    await this.#redis.xclaim(this.#stream, this.#group, this.#consumer, 0, id, 'JUSTID');
  }

  /** Times that the entry was given to a consumer. */
  async deliveries(id: string): Promise<number> {
    const [pending] = (await this.#redis.xpending(this.#stream, this.#group, id, id, 1)) as unknown[][];
    return Number(pending?.[3] ?? 1);
  }

  async done(id: string): Promise<void> {
    await this.#redis.xack(this.#stream, this.#group, id);
  }

  /** Puts an entry aside, and takes it out of the group, in one step. */
  async bury(to: string, [id, fields]: Entry, reason: string): Promise<void> {
    const about = ['reason', reason, 'from', id, ...(fields ?? [])];
    await this.#redis
      .multi()
      .xadd(to, 'MAXLEN', '~', 10_000, '*', ...about)
      .xack(this.#stream, this.#group, id)
      .exec();
  }
}

/** The group or the stream is not there any more. */
export const isMissing = (error: unknown): boolean => /\bNOGROUP\b|UNBLOCKED/.test((error as Error).message ?? '');
