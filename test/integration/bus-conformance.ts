import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Bus, type BusEvent, MOST_BYTES, type Published, WINDOW } from '../../src/bus/bus.ts';
import { openBus } from '../../src/bus/open.ts';
import { createLogger } from '../../src/logger.ts';
import { until } from '../support/until.ts';

/** A server of a bus, as those who read from it and those who run it see it. */
export type Reader = {
  url: string;
  /** An address with which the server lets nobody in; it holds the text `secret-word`. */
  refusedUrl: string;
  pid: () => number;
  /** Reads up to `count` events, oldest first, and acknowledges them. */
  read(channel: string, count: number): Promise<BusEvent[]>;
  /** Begins to read: from here on only what is not acknowledged counts. */
  subscribe(channel: string): Promise<void>;
  /** Deletes the channel. */
  remove(channel: string): Promise<void>;
  /** Gives the name to something else, which takes no event. */
  occupy(channel: string): Promise<void>;
  stop(signal: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
};

let made = 0;
const events = (count: number, body = (at: number) => JSON.stringify({ at })): BusEvent[] =>
  Array.from({ length: count }, (_, at) => ({
    id: `${(++made).toString(16).padStart(8, '0')}-0000-7000-8000-000000000000`,
    partner: 'search',
    body: body(at),
    headers: { 'webhook-timestamp': String(at) },
  }));
const STORED = { stored: true };
const inTime = () => AbortSignal.timeout(10_000);
const whyOf = (published: readonly Published[]) => [...new Set(published.map((p) => (p.stored ? 'stored' : p.why)))];

/** What every bus must do, shown with a real server. */
export function conformance(what: string, startReader: () => Promise<Reader>): void {
  describe(what, () => {
    let reader: Reader;
    const opened: Bus[] = [];
    const open = (url = reader.url): Bus => {
      const bus = openBus({ url, prefix: '{lethe}' }, createLogger('silent', 'test'));
      opened.push(bus);
      return bus;
    };
    /** Publishes until it is stored: a connection that was lost is opened again by the next try. */
    /** Publishes what is not known to be stored, until all is. Some may lie there twice then. */
    const publishAgain = (bus: Bus, channel: string, batch: BusEvent[]) => {
      let left = batch;
      return until('it is stored', async () => {
        const published = await bus.publish(channel, left, inTime());
        left = left.filter((_, n) => !published[n]?.stored);
        return left.length === 0;
      });
    };
    let channels = 0;
    const fresh = () => `{lethe}:test-${++channels}`;

    beforeAll(async () => {
      reader = await startReader();
    });
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((bus) => bus.close()));
    });
    afterAll(() => reader?.close());

    /** A bus that has been reached once, so that a first connection is no part of what is tested. */
    const reached = async (): Promise<Bus> => {
      const bus = open();
      await publishAgain(bus, fresh(), events(1));
      return bus;
    };

    it('stores a batch in its order, each event whole', async () => {
      const [bus, channel] = [await reached(), fresh()];
      const batch = events(1_000, (at) => JSON.stringify({ at, text: 'Zoë 🚀 "\\\n' }));
      expect(await bus.publish(channel, batch, inTime())).toEqual(batch.map(() => STORED));
      await reader.subscribe(channel);
      expect(await reader.read(channel, 2_000)).toEqual(batch);
    });

    it('has a channel for a partner, and takes the one that the catalog names', () => {
      const bus = open();
      expect(bus.channelOf('search', 'own')).toBe('own');
      expect(bus.channelOf('search', undefined)).toMatch(/lethe/);
    });

    it('has as much room as the window leaves of what is not acknowledged', async () => {
      const [bus, channel] = [await reached(), fresh()];
      expect(await bus.room(channel)).toBe(WINDOW.events);
      await publishAgain(bus, channel, events(600));
      await reader.subscribe(channel);
      await until('it is counted', async () => (await bus.room(channel)) <= WINDOW.events - 600);
      await reader.read(channel, 600);
      await until('it is free again', async () => {
        const again = WINDOW.events - (await bus.room(channel));
        if (again > 0) await reader.read(channel, again);
        return again === 0;
      });
    });

    it('has no room when the window is full, and has it again when half is read', async () => {
      const [bus, channel] = [await reached(), fresh()];
      await reader.subscribe(channel);
      for (let n = 0; n < 10; n++) await publishAgain(bus, channel, events(1_000));
      await until('nothing more is taken', async () => (await bus.room(channel)) <= 0);
      await reader.read(channel, 5_000);
      await until('there is room', async () => (await bus.room(channel)) >= 4_900);
    });

    it('leaves what is too much at once for later, and stores the rest', async () => {
      const [bus, channel] = [await reached(), fresh()];
      const batch = events(5, () => 'x'.repeat(MOST_BYTES / 3));
      const published = await bus.publish(channel, batch, inTime());
      expect(published.map((p) => (p.stored ? 'stored' : p.why))).toEqual([
        'stored',
        'stored',
        'stored',
        'full',
        'full',
      ]);
      await reader.subscribe(channel);
      expect((await reader.read(channel, 10)).map(({ id }) => id)).toEqual(batch.slice(0, 3).map(({ id }) => id));
    });

    it('makes a channel again that was deleted', async () => {
      const [bus, channel] = [await reached(), fresh()];
      await publishAgain(bus, channel, events(3));
      await reader.remove(channel);
      await publishAgain(bus, channel, events(2));
      await reader.subscribe(channel);
      expect((await reader.read(channel, 10)).length).toBeGreaterThanOrEqual(2);
      expect(await bus.room(channel)).toBeGreaterThan(0);
    });

    it('says that the server is away, and goes on by itself when it is back', async () => {
      const [bus, channel] = [await reached(), fresh()];
      await reader.stop('SIGKILL');
      try {
        expect(whyOf(await bus.publish(channel, events(3), inTime()))).toEqual(['away']);
        expect(await bus.room(channel)).toBe(1);
      } finally {
        await reader.start();
      }
      const batch = events(3);
      await publishAgain(bus, channel, batch);
      await reader.subscribe(channel);
      const read = (await reader.read(channel, 10)).map(({ id }) => id);
      expect(read).toEqual(expect.arrayContaining(batch.map(({ id }) => id)));
    });

    it('says so of a server that hangs, in time, and publishes when it goes on', async () => {
      const [bus, channel] = [await reached(), fresh()];
      await publishAgain(bus, channel, events(1));
      process.kill(reader.pid(), 'SIGSTOP');
      try {
        const began = performance.now();
        expect(whyOf(await bus.publish(channel, events(2), AbortSignal.timeout(500)))).toEqual(['away']);
        expect(performance.now() - began).toBeLessThan(3_000);
      } finally {
        process.kill(reader.pid(), 'SIGCONT');
      }
      await publishAgain(bus, channel, events(1));
    });

    it('says that it is refused, without a word of the address', async () => {
      const bus = open(reader.refusedUrl);
      const [published] = await until('it is refused', async () => {
        const answers = await bus.publish(fresh(), events(1), inTime());
        return answers.some((p) => !p.stored && /refuse/i.test(p.words)) && answers;
      });
      expect(published).toMatchObject({ stored: false, why: 'away' });
      expect(JSON.stringify(published)).not.toContain('secret-word');
      expect(await bus.room(fresh())).toBe(1);
    });

    it('says that the channel is something else', async () => {
      const [bus, channel] = [await reached(), fresh()];
      await reader.occupy(channel);
      const [published] = await bus.publish(channel, events(1), inTime());
      expect(published).toMatchObject({ stored: false, why: 'away', words: expect.stringMatching(/refuses|belongs/) });
      // The connection itself is as good as before.
      await publishAgain(bus, fresh(), events(1));
    });

    it('publishes nothing any more once it is closed', async () => {
      const bus = await reached();
      await bus.close();
      expect(whyOf(await bus.publish(fresh(), events(2), inTime()))).toEqual(['away']);
      expect(await bus.room(fresh())).toBe(1);
    });
  });
}
