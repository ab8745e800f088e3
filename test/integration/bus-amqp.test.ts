import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RabbitServer, startRabbit } from '../../dev/rabbitmq.ts';
import type { Bus, BusEvent } from '../../src/bus/bus.ts';
import { openBus } from '../../src/bus/open.ts';
import { createLogger } from '../../src/logger.ts';
import { until } from '../support/until.ts';
import { conformance } from './bus-conformance.ts';

/** Does one thing on a connection of its own. */
async function on<T>(url: string, act: (channel: Awaited<ReturnType<typeof channelOf>>) => Promise<T>): Promise<T> {
  const connection = await connect(url);
  connection.on('error', () => {});
  try {
    return await act(await channelOf(connection));
  } finally {
    await connection.close().catch(() => {});
  }
}
const channelOf = async (connection: Awaited<ReturnType<typeof connect>>) => {
  const channel = await connection.createChannel();
  channel.on('error', () => {});
  return channel;
};

const read = (url: string, queue: string, count: number) =>
  on(url, async (channel) => {
    const most = Math.min(count, (await channel.checkQueue(queue)).messageCount);
    const events: BusEvent[] = [];
    await channel.prefetch(most);
    if (most === 0) return events;
    await new Promise<void>((resolve, reject) => {
      channel.on('close', () => reject(new Error('closed')));
      const take = (message: Parameters<Parameters<typeof channel.consume>[1]>[0]) => {
        if (!message || events.length === most) return;
        const { partner = '', ...headers } = message.properties.headers as Record<string, string>;
        events.push({ id: String(message.properties.messageId), partner, body: message.content.toString(), headers });
        channel.ack(message);
        if (events.length === most) resolve();
      };
      channel.consume(queue, take).catch(reject);
    });
    // Acknowledgements are written before what is asked after them is answered.
    await channel.checkQueue(queue);
    return events;
  });

conformance('AMQP 0.9.1', async () => {
  const server = await startRabbit();
  const holders: Awaited<ReturnType<typeof connect>>[] = [];
  return {
    url: server.url,
    refusedUrl: server.url.replace('guest:guest', 'guest:secret-word'),
    pid: server.pid,
    subscribe: async () => {},
    read: (channel, count) => read(server.url, channel, count),
    remove: (channel) => on(server.url, async (c) => void (await c.deleteQueue(channel))),
    occupy: async (channel) => {
      const holder = await connect(server.url);
      holder.on('error', () => {});
      holders.push(holder);
      await (await channelOf(holder)).assertQueue(channel, { exclusive: true });
    },
    stop: server.stop,
    start: server.start,
    close: async () => {
      await Promise.all(holders.map((holder) => holder.close().catch(() => {})));
      await server.destroy();
    },
  };
});

describe('RabbitMQ', () => {
  let server: RabbitServer;
  let bus: Bus;
  const event = (id: string): BusEvent => ({ id, partner: 'search', body: '{}', headers: {} });
  const publish = (queue: string, count: number) =>
    bus.publish(
      queue,
      Array.from({ length: count }, (_, at) => event(`${queue}-${at}`)),
      AbortSignal.timeout(10_000),
    );
  beforeAll(async () => {
    server = await startRabbit();
    bus = openBus({ url: server.url, prefix: '{lethe}' }, createLogger('silent', 'test'));
  });
  afterAll(async () => {
    await bus?.close();
    await server?.destroy();
  });

  it('makes a queue that outlives a restart, with what was confirmed in it', async () => {
    const queue = bus.channelOf('search', undefined);
    expect(queue).toBe('lethe.search');
    expect(await bus.room(queue)).toBe(10_000);
    // RabbitMQ writes down some time later that there is a new queue: only an orderly end makes sure of it.
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (signal === 'SIGKILL')
        await until('it is stored', async () => (await publish(queue, 100)).every((p) => p.stored));
      await server.stop(signal);
      await server.start();
    }
    const ids = new Set<string>();
    await until('all of it is read', async () => {
      for (const { id } of await read(server.url, queue, 1_000)) ids.add(id);
      return ids.size === 100;
    });
    expect([...ids].sort()).toEqual(Array.from({ length: 100 }, (_, at) => `${queue}-${at}`).sort());
  });

  it('takes a classic queue as it is, and says when that is full', async () => {
    const made = { durable: true, arguments: { 'x-max-length': 10, 'x-overflow': 'reject-publish' } };
    await on(server.url, async (channel) => void (await channel.assertQueue('classic', made)));
    const published = await publish('classic', 30);
    const stored = published.filter((p) => p.stored).length;
    expect(stored).toBeGreaterThanOrEqual(10);
    expect(stored).toBeLessThan(30);
    expect(published.find((p) => !p.stored)).toMatchObject({ why: 'full', words: expect.stringContaining('full') });
    // What was refused is stored by another try, once there is room.
    await read(server.url, 'classic', 30);
    expect((await publish('classic', 5)).every((p) => p.stored)).toBe(true);
  });

  it('says that its own queue is full', async () => {
    const queue = 'own-full';
    await until('it refuses some', async () =>
      (await publish(queue, 2_000)).some((p) => !p.stored && p.why === 'full'),
    );
    expect(await bus.room(queue)).toBeLessThanOrEqual(0);
    expect((await read(server.url, queue, 20_000)).length).toBeGreaterThanOrEqual(10_000);
    await until('there is room', async () => (await bus.room(queue)) >= 9_000);
    expect((await publish(queue, 10)).every((p) => p.stored)).toBe(true);
  });

  it('says that it is blocked while memory is short, at once, and goes on after', async () => {
    const queue = 'blocked';
    expect((await publish(queue, 1)).every((p) => p.stored)).toBe(true);
    await server.ctl('set_vm_memory_high_watermark', '0.00001');
    try {
      const first = await publish(queue, 3);
      expect(first[0]).toMatchObject({ stored: false, why: 'away', words: expect.stringMatching(/no events for now/) });
      const began = performance.now();
      expect((await publish(queue, 3)).map((p) => !p.stored && p.why)).toEqual(['away', 'away', 'away']);
      expect(performance.now() - began).toBeLessThan(1_000);
      expect(await bus.room(queue)).toBe(1);
    } finally {
      await server.ctl('set_vm_memory_high_watermark', '0.6');
    }
    await until('it takes events again', async () => (await publish(queue, 1)).every((p) => p.stored));
  });

  it('says that a queue went away between two batches, and makes it again', async () => {
    const queue = 'gone';
    expect((await publish(queue, 1)).every((p) => p.stored)).toBe(true);
    await on(server.url, async (channel) => void (await channel.deleteQueue(queue)));
    expect((await publish(queue, 2)).map((p) => !p.stored && p.words)).toEqual([
      expect.stringContaining('no queue'),
      expect.stringContaining('no queue'),
    ]);
    expect((await publish(queue, 2)).every((p) => p.stored)).toBe(true);
  });
});
