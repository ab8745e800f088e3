import diagnostics from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { holdErasure, releaseErasure } from '../../src/erasure/model/hold.ts';
import type { ViewerLimits } from '../../src/http/live/viewers.ts';
import { startApi } from '../../src/main.ts';
import type { Resources } from '../../src/resources.ts';
import { deriveToken } from '../../src/tokens.ts';
import { type Follower, follow } from '../support/follow.ts';
import { accepted, LARGE, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { type Call, createWorld, jwt, KEYS, SECRET, type World } from '../support/world.ts';

let world: World;
let call: Call;
let domain: Resources;
type StartedApi = Awaited<ReturnType<typeof startApi>>;
const running: StartedApi[] = [];
const followers: Follower[] = [];

beforeAll(async () => {
  world = await createWorld({
    env: { LETHE_CHUNK_ROWS: '1000', LETHE_SLICE_TIME: '10ms', LETHE_SWEEP_CRON: '0 0 1,15 * *' },
  });
  call = await world.api();
  domain = await world.domain();
  await world.worker();
});
afterEach(async () => {
  for (const f of followers.splice(0)) f.leave();
  await Promise.all(running.splice(0).map((api) => api.stop()));
});
afterAll(() => world.close());

/** An API whose streams have other times. */
async function api(limits: Partial<ViewerLimits> = {}) {
  const started = await startApi(world.config('api'), { roundMs: 50, ...limits });
  running.push(started);
  return { ...started, base: `http://127.0.0.1:${started.port}` };
}

const path = (id: string) => `/v1/erasures/${id}/events`;
const read = `Bearer ${KEYS.read}`;
const watch = async (base: string, id: string, options: Parameters<typeof follow>[1] = { auth: read }) => {
  const follower = await follow(base + path(id), options);
  followers.push(follower);
  return follower;
};
/** An erasure that waits for the next hour. */
const scheduled = async () => {
  const { account } = await subject(world.sql, LARGE);
  return { account, id: (await accepted(call, account)).id };
};
const names = (f: Follower) => f.events.map((e) => e.event);
const snapshot = (f: Follower) => until('the snapshot is there', () => f.events[0]);
/** Writes a text that the resource shows, so that it changes. */
const mark = (id: string, text: string) =>
  world.sql`UPDATE lethe.task SET last_error = ${text} WHERE erasure_id = ${id} AND location = 'posts'`;

describe('events of an erasure', () => {
  it('tell its life from the snapshot to the end, as the status resource does', async () => {
    const { base } = await api();
    const { account } = await subject(world.sql, 10_000);
    const { id } = await accepted(call, account);
    const f = await watch(base, id);
    expect(f.status).toBe(200);
    expect(f.headers).toMatchObject({
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    const status = await call('GET', `/v1/erasures/${id}`, { auth: read });
    expect((await snapshot(f)).data).toEqual(status.body);
    expect(f.retries).toEqual([2000]);
    expect((await call('POST', `/v1/erasures/${id}/start`)).status).toBe(202);
    await until('the stream has ended', () => f.ended(), 60_000);
    expect(f.ended()).toBe('clean');

    expect(f.events[0]).toMatchObject({ event: 'snapshot', data: { state: 'scheduled' } });
    expect(f.events.filter((e) => e.event === 'state').map((e) => e.data.state)).toEqual(['running', 'completed']);
    expect(names(f).indexOf('progress')).toBeGreaterThan(names(f).indexOf('state'));
    const deleted = f.events.flatMap((e) => (e.event === 'end' ? [] : [(e.data.progress as Counts).rowsDeleted]));
    expect(deleted).toEqual([...deleted].sort((a, b) => a - b));
    expect(new Set(deleted).size).toBeGreaterThan(2);
    expect(f.events.at(-2)?.data).toEqual((await call('GET', `/v1/erasures/${id}`, { auth: read })).body);
    expect(f.events.at(-1)).toEqual({ event: 'end', id: 'end', data: { state: 'completed' } });
    expect(f.events.every((e) => e.id)).toBe(true);

    const late = await watch(base, id);
    await until('the second stream has ended', () => late.ended());
    expect(names(late)).toEqual(['snapshot', 'end']);
    const again = await watch(base, id, { auth: read, headers: { 'Last-Event-ID': 'end' } });
    expect(again.status).toBe(204);
    const missed = await watch(base, id, { auth: read, headers: { 'Last-Event-ID': String(f.events[0]?.id) } });
    expect(missed.status).toBe(200);
  }, 120_000);

  it('show a hold and its end as a state, the reason to administrators only', async () => {
    const { base } = await api();
    const { id } = await scheduled();
    const token = deriveToken([SECRET], 'status', id);
    const admin = await watch(base, id, { auth: `Bearer ${KEYS.admin}` });
    const user = await follow(`${base}${path(id)}?token=${token}`);
    followers.push(user);
    await Promise.all([snapshot(admin), snapshot(user)]);
    await holdErasure(domain.ctx, id, 'cli', 'Legal case 7');
    for (const f of [admin, user]) await until('the hold is seen', () => f.events.length === 2);
    expect(admin.events[1]).toMatchObject({ event: 'state', data: { held: { by: 'cli', reason: 'Legal case 7' } } });
    expect(user.events[1]).toMatchObject({ event: 'state', data: { held: { since: expect.any(String) } } });
    expect(JSON.stringify(user.events)).not.toContain('Legal');
    await releaseErasure(domain.ctx, id, 'cli');
    for (const f of [admin, user]) await until('the release is seen', () => f.events.length === 3);
    expect(user.events[2]).toMatchObject({ event: 'state', data: { held: null } });
  });

  it('are for those only who may read the status', async () => {
    const { base } = await api();
    const { id, account } = await scheduled();
    const other = await scheduled();
    const token = deriveToken([SECRET], 'status', id);
    const problems: [string, string | undefined, number, string][] = [
      [path(id), undefined, 401, 'unauthenticated'],
      [`${path(other.id)}?token=${token}`, undefined, 401, 'unauthenticated'],
      [path(id), await jwt({ sub: other.account }), 404, 'not_found'],
      [path(id), `Bearer ${KEYS.write}`, 403, 'forbidden'],
      [path('01900000-0000-7000-8000-000000000000'), read, 404, 'not_found'],
      [path('nonsense'), read, 422, 'invalid_request'],
    ];
    for (const [where, auth, status, code] of problems) {
      const f = await follow(base + where, { auth });
      await until('the answer is there', () => f.ended());
      expect([f.status, f.headers['content-type'], JSON.parse(f.text()).code]).toEqual([
        status,
        'application/problem+json',
        code,
      ]);
    }
    const old = await jwt({ sub: account, authTime: Date.now() / 1000 - 86_400 });
    for (const [where, auth] of [
      [path(id), old],
      [`${path(id)}?token=${token}`, undefined],
    ] as const) {
      const f = await follow(base + where, { auth });
      followers.push(f);
      expect((await snapshot(f)).data.id).toBe(id);
    }
  });

  it('come with heartbeats while nothing changes', async () => {
    const { base } = await api({ heartbeatMs: 100 });
    const { id } = await scheduled();
    const f = await watch(base, id);
    await until('three heartbeats came', () => f.comments.length >= 3);
    expect(names(f)).toEqual(['snapshot']);
  });

  it('end cleanly at their maximum age, and the next stream goes on', async () => {
    const { base, viewers } = await api({ maxAgeMs: 300 });
    const { id } = await scheduled();
    const f = await watch(base, id);
    await until('the stream has ended', () => f.ended());
    expect(f.ended()).toBe('clean');
    expect(names(f)).toEqual(['snapshot']);
    await until('its place is free', () => viewers.counts().viewers === 0);
    expect(viewers.counts().watched).toBe(0);
    // A read that had begun ends after its last viewer has left.
    await until('no read is left', () => viewers.counts().reads === 0);
    const next = await watch(base, id, { auth: read, headers: { 'Last-Event-ID': String(f.events[0]?.id) } });
    expect((await snapshot(next)).event).toBe('snapshot');
  });

  it('end with the token that opened them, and say nothing more', async () => {
    const { base } = await api();
    const { account, id } = await scheduled();
    const exp = Math.floor(Date.now() / 1000);
    // Clocks may differ by five seconds: so long after its end a token is still taken.
    const [short, long, link] = await Promise.all([
      watch(base, id, { auth: await jwt({ sub: account, exp }) }),
      watch(base, id, { auth: await jwt({ sub: account }) }),
      watch(base, `${id}`, { auth: read }),
    ]);
    for (const f of [short, long, link]) await snapshot(f);
    await until('the stream has ended', () => short.ended(), 20_000);
    expect(short.ended()).toBe('clean');
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(exp + 5);
    expect(names(short)).toEqual(['snapshot']);
    await mark(id, 'seen by the others');
    for (const f of [long, link]) await until('the others go on', () => f.events.length > 1);
    expect([long.ended(), link.ended(), names(short)]).toEqual([undefined, undefined, ['snapshot']]);
    const again = await follow(base + path(id), { auth: await jwt({ sub: account, exp }) });
    expect(again.status).toBe(401);
  });

  it.each([
    ['one process takes', { viewers: 2 }],
    ['one erasure may have', { viewersOfErasure: 2 }],
    ['one key may have', { viewersOfKey: 2 }],
  ])('are refused beyond as many as %s', async (_, limits) => {
    const { base } = await api(limits);
    const { id } = await scheduled();
    const [first] = [await watch(base, id), await watch(base, id)];
    const third = await watch(base, id);
    await until('the answer is there', () => third.ended());
    expect([third.status, third.headers['retry-after']]).toEqual([429, '30']);
    expect(JSON.parse(third.text())).toMatchObject({ code: 'rate_limited', retryAfter: 30 });
    first.leave();
    await until('there is room again', async () => (await watch(base, id)).status === 200);
  });

  it('leave room for others when one erasure or one key has all that it may have', async () => {
    const { base, viewers } = await api({ viewersOfErasure: 1, viewersOfKey: 2 });
    const ids = [(await scheduled()).id, (await scheduled()).id, (await scheduled()).id] as const;
    const admin = { auth: `Bearer ${KEYS.admin}` };
    const statuses = async () => [
      (await watch(base, ids[0])).status,
      (await watch(base, ids[0], admin)).status,
      (await watch(base, ids[1])).status,
      (await watch(base, ids[2])).status,
      (await watch(base, ids[2], admin)).status,
    ];
    expect(await statuses()).toEqual([200, 429, 200, 429, 200]);
    for (const f of followers.splice(0)) f.leave();
    await until('nobody is left', () => viewers.counts().viewers === 0);
    expect(await statuses()).toEqual([200, 429, 200, 429, 200]);
  });

  it('leave nothing behind after a thousand connects and disconnects, nor after HEAD', async () => {
    const { base, viewers } = await api();
    const { id } = await scheduled();
    for (let batch = 0; batch < 20; batch++) {
      const some = await Promise.all(Array.from({ length: 50 }, () => watch(base, id)));
      if (batch === 0) expect(viewers.counts()).toMatchObject({ viewers: 50, watched: 1 });
      for (const f of some) f.leave();
    }
    const head = await watch(base, id, { auth: read, method: 'HEAD' });
    expect([head.status, head.headers['content-type']]).toEqual([200, 'text/event-stream']);
    await until('nobody is left', () => viewers.counts().viewers === 0);
    await until('no poller is left', () => viewers.counts().watched === 0 && viewers.counts().reads === 0);
  }, 120_000);

  it('of many erasures take few connections from the pool', async () => {
    const { base, viewers } = await api({ reads: 3, roundMs: 20, readMs: 20_000 });
    const ids: string[] = [];
    while (ids.length < 12) ids.push((await scheduled()).id);
    const all = await Promise.all(ids.map((id) => watch(base, id)));
    await Promise.all(all.map(snapshot));
    const waiting = async () => {
      const rows = await world.sql`SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'lethe-api' AND wait_event_type = 'Lock'`;
      return rows.length;
    };
    await world.sql.begin(async (tx) => {
      await tx`LOCK TABLE lethe.chunk IN ACCESS EXCLUSIVE MODE`;
      await until('pollers wait for the table', async () => (await waiting()) >= 3);
      // Time for any further poller to come along: their rounds are due every 20 ms.
      const end = performance.now() + 500;
      await until('it stays so', async () => {
        expect(await waiting()).toBe(3);
        return performance.now() > end;
      });
      expect(viewers.counts().reads).toBe(3);
    });
    for (const id of ids) await mark(id, 'after');
    await Promise.all(all.map((f) => until('everybody goes on', () => f.events.length === 2)));
  }, 120_000);
});

type Counts = { rowsDeleted: number };

describe('a viewer that does not read', () => {
  /** Server-side ends of the connections, by the path asked for. */
  const ends = new Map<string, { socket: Socket; response: ServerResponse }>();
  const onRequest = (message: unknown) => {
    const { request, socket, response } = message as {
      request: { url: string };
      socket: Socket;
      response: ServerResponse;
    };
    if (request.url.includes('who=')) ends.set(request.url.replace(/.*who=/, ''), { socket, response });
  };
  const sockets: Socket[] = [];
  beforeAll(() => diagnostics.subscribe('http.server.request.start', onRequest));
  afterAll(() => diagnostics.unsubscribe('http.server.request.start', onRequest));
  afterEach(() => {
    for (const s of sockets.splice(0)) s.destroy();
  });

  /** Asks for the events over a raw connection and takes nothing. */
  const deaf = async (port: number | undefined, id: string, who: string) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1' });
    sockets.push(socket);
    socket.on('error', () => {});
    socket.pause();
    socket.write(`GET ${path(id)}?who=${who} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${read}\r\n\r\n`);
    return { client: socket, ...(await until('the request has arrived', () => ends.get(who))) };
  };
  const SIZE = 300_000;
  const fat = (n: number) => `change ${n} ${'x'.repeat(SIZE)}`;
  /** Bytes that this process holds for the connection. */
  const pending = ({ response }: { response: ServerResponse }) => response.writableLength;

  it('holds one event at most, and is cut off', async () => {
    const { base, port, viewers } = await api({ roundMs: 10, stuckMs: 3_000 });
    const { id } = await scheduled();
    const reader = await watch(base, id);
    const end = await deaf(port, id, 'deaf');
    await until('both are viewers', () => viewers.counts().viewers === 2);
    let most = 0;
    let changes = 0;
    let whilePending = 0;
    await until('it is cut off', async () => {
      await mark(id, fat(++changes));
      await until('the reader has it', () => JSON.stringify(reader.events.at(-1)?.data).includes(`change ${changes} `));
      reader.events.splice(1, reader.events.length - 2);
      most = Math.max(most, pending(end));
      if (pending(end) > SIZE / 2) whilePending++;
      return end.socket.destroyed;
    });
    // The connection's own buffers took some; then one event was pending, and no more came.
    expect(most).toBeGreaterThan(SIZE / 2);
    expect(most).toBeLessThan(1.5 * SIZE);
    expect(whilePending).toBeGreaterThan(2);
    expect(viewers.counts()).toMatchObject({ viewers: 1, watched: 1 });
    expect(reader.ended()).toBeUndefined();
  }, 120_000);

  it('gets the newest state when it reads again, not those in between', async () => {
    const { base, port, viewers } = await api({ roundMs: 10 });
    const { id } = await scheduled();
    const reader = await watch(base, id);
    const end = await deaf(port, id, 'slow');
    await until('both are viewers', () => viewers.counts().viewers === 2);
    /** Until the API itself has read it, it is not what a viewer is told next. */
    const change = async (text: string) => {
      await mark(id, text);
      await until('the reader has it', () => JSON.stringify(reader.events.at(-1)?.data).includes(text));
      reader.events.splice(1, reader.events.length - 2);
    };
    let changes = 0;
    // The connection's own buffers may still grow after the first time that a write is pending.
    let said = 0;
    let still = 0;
    await until('a write stays pending', async () => {
      await change(fat(++changes));
      still = pending(end) > SIZE / 2 && end.socket.bytesWritten === said ? still + 1 : 0;
      said = end.socket.bytesWritten;
      return still === 5;
    });
    const before = changes;
    for (let more = 0; more < 20; more++) await change(fat(++changes));
    await change('the newest');
    let got = '';
    end.client.setEncoding('utf8');
    end.client.on('data', (text: string) => {
      got += text;
    });
    end.client.resume();
    await until('the newest has come', () => got.includes('the newest'));
    expect(got.match(/change \d+ /g)?.length ?? 0).toBeLessThanOrEqual(before + 1);
    expect(got).not.toContain(`change ${changes - 5} `);
  }, 120_000);

  it('does not keep the process from stopping: streams end cleanly, this one is cut off', async () => {
    const started = await api({ roundMs: 10 });
    const { id } = await scheduled();
    const readers = await Promise.all(Array.from({ length: 20 }, () => watch(started.base, id)));
    await Promise.all(readers.map(snapshot));
    const end = await deaf(started.port, id, 'last');
    let changes = 0;
    await until('a write is pending', async () => {
      await mark(id, fat(++changes));
      return pending(end) > SIZE / 2;
    });
    const asked = performance.now();
    expect(await started.stop()).toBe(true);
    expect(performance.now() - asked).toBeLessThan(4_500);
    expect(started.viewers.counts()).toMatchObject({ viewers: 0, watched: 0 });
    await until('all have ended', () => readers.every((f) => f.ended()));
    expect(readers.map((f) => f.ended())).toEqual(readers.map(() => 'clean'));
    expect(readers.some((f) => names(f).includes('end'))).toBe(false);
  }, 120_000);
});
