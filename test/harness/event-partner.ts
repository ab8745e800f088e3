import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Holdings } from './holdings.ts';
import { acknowledge } from './http-partner.ts';

type Entry = [string, string[]];

/** A team that reads events from the stream with a group of its own, as docs/partners.md shows it. */
export class EventPartner {
  readonly holdings: Holdings;
  readonly stream: string;
  readonly group: string;
  /** Reads on and on; false: its consumers are down. */
  reading = true;
  private readonly violated: (what: string) => void;
  private ended = false;
  private work: Promise<void> = Promise.resolve();

  constructor(name: string, stream: string, violated: (what: string) => void) {
    this.holdings = new Holdings(name);
    this.stream = stream;
    this.group = name;
    this.violated = violated;
  }

  open(url: string): void {
    this.work = this.read(url);
  }

  async close(): Promise<void> {
    this.ended = true;
    await this.work;
  }

  private async read(url: string): Promise<void> {
    while (!this.ended) {
      const redis = new Redis(url, { maxRetriesPerRequest: 1, commandTimeout: 3_000, retryStrategy: () => 100 });
      redis.on('error', () => {});
      try {
        while (!this.ended) {
          if (this.reading) await this.round(redis);
          await pause(50);
        }
      } catch {
        // Away, or the group is gone: from the start.
      } finally {
        redis.disconnect();
      }
      await pause(100);
    }
  }

  private async round(redis: Redis): Promise<void> {
    await redis.xgroup('CREATE', this.stream, this.group, '0', 'MKSTREAM').catch((error: Error) => {
      if (!error.message.includes('BUSYGROUP')) throw error;
    });
    const found = (await redis.xreadgroup('GROUP', this.group, 'harness', 'COUNT', 50, 'STREAMS', this.stream, '>')) as
      | [string, Entry[]][]
      | null;
    for (const [entryId, fields] of found?.[0]?.[1] ?? []) {
      await this.handle(fields);
      await redis.xack(this.stream, this.group, entryId);
    }
  }

  private async handle(fields: string[]): Promise<void> {
    const body = fields[fields.indexOf('event') + 1] ?? '{}';
    const { id, data } = JSON.parse(body) as {
      id: string;
      data: { partner: string; account: { id: string }; acknowledge: { url: string; token: string } };
    };
    if (data?.partner !== this.holdings.name) return;
    const account = data.account.id;
    this.holdings.hear(id, account);
    const status = this.holdings.erase(account) ? 'erased' : 'not_found';
    const call = { id, account, ...data.acknowledge };
    const problems = await acknowledge(call, status, () => this.ended || !this.reading);
    for (const problem of problems) this.violated(problem);
  }
}
