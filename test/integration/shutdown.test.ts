import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startApi } from '../../src/main.ts';
import { follow } from '../support/follow.ts';
import { accepted, LARGE, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, KEYS, type World } from '../support/world.ts';

/** Well below the deadline, 5 seconds, that a hanging stop would use up. */
const SOON_MS = 4_500;

let world: World;
let call: Call;
let api: Awaited<ReturnType<typeof startApi>>;
let id: string;
const sockets: Socket[] = [];

beforeAll(async () => {
  world = await createWorld();
  call = await world.api();
  const { account } = await subject(world.sql, LARGE);
  id = (await accepted(call, account)).id;
});
afterEach(async () => {
  for (const s of sockets.splice(0)) s.destroy();
});
afterAll(() => world.close());

/** A connection of a client that would keep it for its next request, and what came over it. */
async function open() {
  const socket = connect({ port: Number(api.port), host: '127.0.0.1' });
  sockets.push(socket);
  let got = '';
  let ended = false;
  socket.setEncoding('utf8');
  socket.on('error', () => {});
  socket.on('data', (text: string) => {
    got += text;
  });
  socket.on('close', () => {
    ended = true;
  });
  await until('it is connected', () => !socket.connecting);
  return {
    send: (lines: string[], body = '') => socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`),
    write: (text: string) => socket.write(text),
    got: () => got,
    ended: () => ended,
  };
}
const head = (method: string, path: string, more: string[] = []) => [
  `${method} ${path} HTTP/1.1`,
  'Host: 127.0.0.1',
  `Authorization: Bearer ${KEYS.admin}`,
  ...more,
];
/** Requests that wait for the table. */
const waiting = async () => {
  const rows = await world.sql`SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'lethe-api' AND wait_event_type = 'Lock'`;
  return rows.length;
};
async function timed(work: Promise<boolean>) {
  const begun = performance.now();
  return { clean: await work, ms: performance.now() - begun };
}

describe('an API that is told to stop', () => {
  it('answers what it has begun and closes the connections, also those that would be kept', async () => {
    api = await startApi(world.config('api'));
    const idle = await open();
    idle.send(head('GET', '/healthz'));
    await until('it is answered', () => idle.got().includes('"ok"'));
    expect(idle.got()).not.toMatch(/^connection: close/im);
    const busy = await open();
    const stopped = await world.sql.begin(async (tx) => {
      await tx`LOCK TABLE lethe.erasure IN ACCESS EXCLUSIVE MODE`;
      busy.send(head('GET', `/v1/erasures/${id}`));
      await until('the request waits', async () => (await waiting()) > 0);
      const stop = timed(api.stop());
      await until('idle connections are closed', () => idle.ended());
      return { stop };
    });
    const { clean, ms } = await stopped.stop;
    expect(busy.got()).toMatch(/^HTTP\/1.1 200 /);
    expect(busy.got()).toMatch(/^connection: close\r$/im);
    expect(clean).toBe(true);
    expect(ms).toBeLessThan(SOON_MS);
  });

  it('takes a body that comes late, beside many streams', async () => {
    api = await startApi(world.config('api'), { roundMs: 50 });
    const streams = await Promise.all(
      Array.from({ length: 200 }, () =>
        follow(`http://127.0.0.1:${api.port}/v1/erasures/${id}/events`, { auth: `Bearer ${KEYS.read}` }),
      ),
    );
    const busy = await open();
    const body = JSON.stringify({ reason: 'Legal case 7' });
    busy.send(
      head('POST', `/v1/erasures/${id}/hold`, ['Content-Type: application/json', `Content-Length: ${body.length}`]),
    );
    busy.write(body.slice(0, 5));
    const stop = timed(api.stop());
    await until('the streams have ended', () => streams.every((f) => f.ended()));
    busy.write(body.slice(5));
    const { clean, ms } = await stop;
    expect(busy.got()).toMatch(/^HTTP\/1.1 200 /);
    expect(clean).toBe(true);
    expect(ms).toBeLessThan(SOON_MS);
  });

  it('does not wait for a connection that has never said anything', async () => {
    api = await startApi(world.config('api'));
    const silent = await open();
    const { clean, ms } = await timed(api.stop());
    expect(clean).toBe(true);
    expect(ms).toBeLessThan(SOON_MS);
    await until('it is closed', () => silent.ended());
  });
});
