import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Running, start, stop } from '../../dev/process.ts';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { type ConsumeOptions, consume } from '../../src/consumer/index.ts';
import { buildMessage } from '../../src/partners/message.ts';
import { signMessage } from '../../src/partners/sign.ts';
import { until } from '../support/until.ts';

let server: RedisServer;
let redis: Redis;
let lethe: Server;
let base: string;
/** What the acknowledgements are answered with; the tasks that were acknowledged, in order. */
let status = 204;
let acknowledged: string[] = [];
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  lethe = createServer((request, response) => {
    const task = request.url?.split('/')[3] as string;
    if (request.headers.authorization !== `Bearer token of ${task}`) response.statusCode = 401;
    else {
      response.statusCode = status;
      if (status < 300) acknowledged.push(task);
    }
    response.end();
  });
  await new Promise<void>((resolve) => lethe.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(lethe.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await Promise.all(ends.splice(0).map((end) => end()));
  await redis.flushall();
  status = 204;
  acknowledged = [];
});
afterAll(async () => {
  lethe?.close();
  redis?.disconnect();
  await server?.destroy();
});

const STREAM = '{lethe}:events';
const SECRET = `whsec_${Buffer.from('s'.repeat(32)).toString('base64')}`;
let made = 0;
const idOf = () => `0000${++made}`.slice(-4);
/** Publishes an event as Lethe does, and gives its id. */
async function publish(partner = 'search', id = idOf(), { secret = '', account = { id: '7' } } = {}): Promise<string> {
  const call = { id, erasureId: 'e', location: partner, account, requestedAt: new Date(), values: {}, keys: null };
  const body = JSON.stringify(buildMessage(call, { publicUrl: base, tokenOf: (of) => `token of ${of}` }));
  const signed = secret === '' ? {} : signMessage(secret, { id, at: new Date(), body });
  await redis.xadd(
    STREAM,
    '*',
    'id',
    id,
    'partner',
    partner,
    'event',
    body,
    ...(Object.entries(signed).flat() as string[]),
  );
  return id;
}
/** Starts a consumer in this process, until the test ends. */
function run(options: Partial<ConsumeOptions> & Pick<ConsumeOptions, 'handle'>) {
  const stopping = new AbortController();
  const problems: string[] = [];
  const ended = consume({
    redis: server.url,
    group: 'search',
    partner: 'search',
    retries: { tries: 3, pausesMs: [10] },
    deadAfterMs: 600,
    onProblem: (words) => problems.push(words),
    signal: stopping.signal,
    ...options,
  });
  const end = async () => {
    stopping.abort();
    await ended;
  };
  ends.push(end);
  return { end, problems };
}
const pending = async () => Number(((await redis.xpending(STREAM, 'search')) as unknown[])[0]);
const dead = () => redis.xrange(`${STREAM}:dead:search`, '-', '+');

describe('a consumer', () => {
  it('handles each event of its partner, acknowledges it, and only then takes it out of the group', async () => {
    const ids = [await publish(), await publish(), await publish()];
    await publish('billing');
    const handled: string[] = [];
    let outstanding = -1;
    run({
      handle: ({ task, account }) => {
        expect(account).toEqual({ id: '7' });
        handled.push(task);
      },
      acknowledge: async ({ task }) => {
        outstanding = await pending();
        acknowledged.push(task);
      },
    });
    await until('all are acknowledged', async () => acknowledged.length === 3 && (await pending()) === 0);
    expect(handled).toEqual(ids);
    expect(acknowledged).toEqual(ids);
    expect(outstanding).toBe(1);
  });

  it('tells Lethe over HTTP, and again while it is out of order', async () => {
    status = 503;
    const id = await publish();
    run({ handle: () => 'not_found' });
    await until('it is in hand', async () => (await pending()) === 1);
    status = 204;
    await until('it is acknowledged', async () => (await pending()) === 0);
    expect(acknowledged).toEqual([id]);
  });

  it.each([
    ['FLUSHALL', () => redis.flushall()],
    ['XGROUP DESTROY', () => redis.xgroup('DESTROY', STREAM, 'search')],
    ['DEL', () => redis.del(STREAM)],
  ])('makes its group again after %s, and goes on', async (_, lose) => {
    run({ handle: () => {} });
    const before = await publish();
    await until('it reads', () => acknowledged.includes(before));
    await lose();
    const after = await publish();
    await until('it reads again', () => acknowledged.includes(after));
  });

  it('tries an event again, and puts aside what fails each time', async () => {
    const poison = await publish();
    const good = await publish();
    const tries = new Map<string, number>();
    const { problems } = run({
      handle: ({ task }) => {
        tries.set(task, (tries.get(task) ?? 0) + 1);
        if (task === poison || tries.get(task) === 1) throw new Error('sue@example.com');
      },
    });
    await until('the good one is done', async () => acknowledged.length === 1 && (await pending()) === 0);
    expect(acknowledged).toEqual([good]);
    expect([...tries.values()]).toEqual([3, 2]);
    expect((await dead()).map(([, fields]) => fields.slice(0, 2))).toEqual([['reason', 'it failed 3 times']]);
    expect(problems.join()).not.toContain('sue');
  });

  it.each([
    ['without an event', () => redis.xadd(STREAM, '*', 'partner', 'search', 'x', 'y'), 'no field event'],
    ['with garbage', () => redis.xadd(STREAM, '*', 'partner', 'search', 'event', '{'), 'signature'],
    ['that is not signed', () => publish(), 'signature'],
    [
      'signed by somebody else',
      () => publish('search', idOf(), { secret: `whsec_${Buffer.from('x'.repeat(32)).toString('base64')}` }),
      'signature',
    ],
  ])('puts an entry aside %s, and goes on', async (_, add, words) => {
    await add();
    const good = await publish('search', idOf(), { secret: SECRET });
    run({ handle: () => {}, secret: `${SECRET} whsec_b3RoZXI=` });
    await until('the good one is done', () => acknowledged.includes(good));
    expect(acknowledged).toEqual([good]);
    expect((await dead())[0]?.[1]?.[1]).toContain(words);
  });

  it('finishes what it has in hand when it stops, and begins nothing more', async () => {
    const [first] = [await publish(), await publish()];
    const { promise: handling, resolve: go } = gate();
    const { promise: begun, resolve: begin } = gate();
    const { end } = run({
      handle: async () => {
        begin();
        await handling;
      },
    });
    await begun;
    const ended = end();
    go();
    await ended;
    expect(acknowledged).toEqual([first]);
    expect(await pending()).toBe(0);
  });

  it('never handles one event twice at once, though it stands there twice and two consumers read', async () => {
    const id = await publish();
    await publish('search', id);
    let [now, most, all] = [0, 0, 0];
    const handle = async () => {
      most = Math.max(most, ++now);
      all++;
      // Longer than after which a consumer is taken for dead: it says that it still works.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      now--;
    };
    run({ handle });
    run({ handle });
    await until('both are done', async () => (await pending()) === 0 && acknowledged.length === 2, 30_000);
    expect([most, all]).toEqual([1, 2]);
  });

  it('takes over what a killed consumer had, and handles all of it', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => publish()));
    const script = `
      import { consume } from './src/consumer/index.ts';
      let handled = 0;
      await consume({ redis: '${server.url}', group: 'search', partner: 'search', deadAfterMs: 600,
        handle: async () => { if (++handled === 5) { console.log('in hand'); await new Promise(() => setInterval(() => {}, 1e6)); } } });`;
    const child: Running = start(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    ends.push(() => stop(child, 'SIGKILL'));
    await until('it has one in hand', () => child.output().includes('in hand'));
    await stop(child, 'SIGKILL');
    expect(acknowledged).toHaveLength(4);
    run({ handle: () => {} });
    await until('all are acknowledged', async () => new Set(acknowledged).size === 20 && (await pending()) === 0);
    expect([...new Set(acknowledged)].sort()).toEqual([...ids].sort());
  });

  it('puts aside what kills each consumer that has it', async () => {
    const poison = await publish();
    await redis.xgroup('CREATE', STREAM, 'search', '0');
    for (const consumer of ['a', 'b', 'c'])
      await (consumer === 'a'
        ? redis.xreadgroup('GROUP', 'search', consumer, 'COUNT', 1, 'STREAMS', STREAM, '>')
        : redis.xautoclaim(STREAM, 'search', consumer, 0, '0'));
    const good = await publish();
    const handled: string[] = [];
    run({ handle: ({ task }) => void handled.push(task) });
    await until('the good one is done', () => acknowledged.includes(good));
    await until('the other is put aside', async () => (await dead()).length === 1);
    expect(handled).toEqual([good]);
    expect((await dead())[0]?.[1]).toEqual(expect.arrayContaining(['id', poison]));
  });

  it('puts aside what Lethe refuses to have acknowledged', async () => {
    status = 403;
    await publish();
    run({ handle: () => {} });
    await until('it is put aside', async () => (await dead()).length === 1);
    expect((await dead())[0]?.[1]?.[1]).toContain('refused (403)');
  });

  it('refuses options that are wrong', async () => {
    await expect(consume({ redis: server.url, group: '', handle: () => {} })).rejects.toThrow('group');
    const retries = { tries: 0 };
    await expect(consume({ redis: server.url, group: 'g', handle: () => {}, retries })).rejects.toThrow(
      'retries.tries',
    );
  });
});

function gate(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
