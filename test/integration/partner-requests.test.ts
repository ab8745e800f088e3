import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classify } from '../../src/partners/answer.ts';
import { type Connections, openConnections, type Requested } from '../../src/partners/request.ts';
import { type BehaviourName, type PartnerServer, startPartner } from '../support/partner-server.ts';

const TASK = 'task-1';
const BODY = JSON.stringify({ id: TASK });
let partner: PartnerServer;
let connections: Connections;
beforeAll(async () => {
  partner = await startPartner();
  connections = openConnections({ privateHosts: ['127.0.0.1', 'localhost'], most: 4 });
});
afterAll(async () => {
  await connections.close();
  await partner.close();
});

const ask = (more: Partial<Requested> = {}) =>
  connections.request({
    method: 'POST',
    url: partner.url,
    headers: { 'content-type': 'application/json' },
    body: BODY,
    timeoutMs: 5000,
    signal: new AbortController().signal,
    ...more,
  });

/** What came of a request that was met so, and how long it took. */
async function met(behaviour: BehaviourName, more: Partial<Requested> = {}) {
  partner.next(behaviour);
  const from = performance.now();
  const answer = await ask(more);
  const outcome = answer.kind === 'answered' ? classify(answer, TASK) : answer;
  return { answer, outcome, ms: performance.now() - from };
}

describe('a request to a partner', () => {
  it('is sent as it is, and answered', async () => {
    const { answer, outcome } = await met('erased');
    expect(answer).toMatchObject({ kind: 'answered', status: 200, cut: false });
    expect(outcome).toEqual({ kind: 'done', words: 'erased (200)' });
    expect(partner.received.at(-1)).toMatchObject({ method: 'POST', path: '/erasures', body: BODY });
    expect(partner.received.at(-1)?.headers).toMatchObject({ 'accept-encoding': 'identity', 'user-agent': 'lethe' });
  });

  it.each<[BehaviourName, RegExp]>([
    ['html', /200 without JSON/],
    ['no_echo', /without the id of the task/],
    ['other_task', /without the id of the task/],
    ['error_inside', /an error inside/],
    ['failed', /that it failed/],
    ['compressed', /compressed/],
    ['redirect', /redirect \(307\)/],
    ['route_missing', /404/],
    ['gone', /410/],
    ['refused', /401/],
    ['invalid', /400/],
    ['error', /500/],
    ['unavailable', /503/],
    ['too_many', /429.*pause/],
    ['reset', /was reset|was closed/],
    ['half', /was reset|was closed/],
    ['short', /was closed|not as long/],
    ['many_headers', /16 kB of headers/],
    ['garbage', /not HTTP/],
  ])('that is met with %s is not erased, in words', async (behaviour, words) => {
    const { outcome } = await met(behaviour);
    expect(['later', 'unanswered']).toContain(outcome.kind);
    expect(outcome.words).toMatch(words);
  });

  it.each<BehaviourName>(['hang', 'silent_body', 'drip'])(
    'that is met with %s ends at its deadline',
    async (behaviour) => {
      const { outcome, ms } = await met(behaviour, { timeoutMs: 400 });
      expect(outcome).toEqual({ kind: 'unanswered', words: 'no complete answer within 0.4 s', down: true });
      expect(ms).toBeGreaterThan(350);
      expect(ms).toBeLessThan(4000);
    },
  );

  it('reads 64 kB of 10 GB, and hangs up', async () => {
    const before = partner.figures().bytesWritten;
    const { answer, outcome } = await met('endless');
    expect(answer).toMatchObject({ kind: 'answered', cut: true });
    expect(outcome.words).toContain('more than 64 kB');
    expect(partner.figures().bytesWritten - before).toBeLessThan(64 * 2 ** 20);
  });

  it('follows no redirect', async () => {
    const before = partner.received.length;
    await met('redirect');
    expect(partner.received.length).toBe(before + 1);
  });

  it('goes on over the same connections after all of that', async () => {
    for (let n = 0; n < 3; n++) await met('erased');
    const before = partner.figures().connections;
    for (let n = 0; n < 20; n++) expect((await met('erased')).outcome.kind).toBe('done');
    expect(partner.figures().connections).toBe(before);
  });

  it('is made with no more connections at once than were opened for the partner', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask()));
    expect(answers.every(({ kind }) => kind === 'answered')).toBe(true);
    expect(partner.figures().highest).toBeLessThanOrEqual(4);
  });

  it('ends when the worker stops, and that is not the fault of the partner', async () => {
    const stop = new AbortController();
    const release = partner.hold();
    const asked = ask({ signal: stop.signal });
    stop.abort();
    expect(await asked).toEqual({ kind: 'unanswered', words: 'Lethe was stopped before the answer came', down: false });
    expect(await ask({ signal: stop.signal })).toMatchObject({ kind: 'unanswered', down: false });
    release();
  });

  it('says in words that nobody listens, and works again when somebody does', async () => {
    await partner.down();
    expect(await ask()).toEqual({
      kind: 'unanswered',
      words: 'the connection was refused',
      down: true,
      unsent: true,
    });
    await partner.up();
    expect(await ask()).toMatchObject({ kind: 'answered', status: 200 });
  });

  it('says in words that a name is not known, or a request cannot be sent', async () => {
    expect(await ask({ url: 'http://no-such-host.invalid/' })).toMatchObject({
      words: expect.stringMatching(/its host (has no address|could not be looked up)/),
    });
    const unsent = { words: expect.stringContaining('cannot be sent'), down: false };
    expect(await ask({ url: 'not a url' })).toMatchObject(unsent);
    expect(await ask({ headers: { 'x-name': 'two\nlines' } })).toMatchObject(unsent);
  });

  it('accepts no certificate that it does not know', async () => {
    const server = createServer({
      key: readFileSync('test/support/tls/key.pem'),
      cert: readFileSync('test/support/tls/certificate.pem'),
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const answer = await ask({ url: `https://localhost:${port}/` });
    expect(answer).toMatchObject({
      kind: 'unanswered',
      words: expect.stringContaining('its certificate is not accepted'),
    });
    server.close();
  });
});

describe('a host with a private address', () => {
  const strict = () => openConnections({ privateHosts: [], most: 1 });

  it.each([
    'http://127.0.0.1:1/',
    'http://localhost:1/',
    'http://[::1]:1/',
    'http://169.254.169.254/latest/meta-data/',
  ])('is not connected: %s', async (url) => {
    const own = strict();
    const answer = await own.request({
      method: 'GET',
      url,
      headers: {},
      timeoutMs: 5000,
      signal: new AbortController().signal,
    });
    expect(answer).toEqual({
      kind: 'unanswered',
      words: 'its host has a private address, and is not in LETHE_PRIVATE_HOSTS',
      down: true,
      unsent: true,
    });
    await own.close();
  });

  it('gets nothing of a request', async () => {
    const before = partner.received.length;
    const own = strict();
    const url = partner.url.replace('127.0.0.1', 'localhost');
    await own.request({ method: 'GET', url, headers: {}, timeoutMs: 5000, signal: new AbortController().signal });
    expect(partner.received.length).toBe(before);
    expect(await ask({ url })).toMatchObject({ kind: 'answered' });
    await own.close();
  });

  it('is not connected when its name has a public address at first, and a private one at the next look-up', async () => {
    let looked = 0;
    const own = openConnections({
      privateHosts: [],
      most: 1,
      // 2000::1 is of the internet, and nobody has it.
      resolve: (_, done) =>
        done(null, [looked++ === 0 ? { address: '2000::1', family: 6 } : { address: '127.0.0.1', family: 4 }]),
    });
    const before = partner.figures().connections;
    const url = `http://rebinds.example:${partner.port}/`;
    const get = () =>
      own.request({ method: 'GET', url, headers: {}, timeoutMs: 500, signal: new AbortController().signal });
    expect((await get()).kind).toBe('unanswered');
    // Checked and connected is the same answer: nobody looks again in between.
    expect(looked).toBe(1);
    expect(await get()).toMatchObject({ words: expect.stringContaining('private address') });
    expect(looked).toBe(2);
    expect(partner.figures().connections).toBe(before);
    await own.close();
  });
});
