import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AskedLocation, Call, Planted, Sender } from '../../src/locations/asked.ts';
import { asks, type HttpLocation } from '../../src/locations/http/declare.ts';
import { HttpSender } from '../../src/locations/http/send.ts';
import { filesAt, openS3, tryOn } from '../support/ask-bucket.ts';
import { type BucketServer, startBucket } from '../support/bucket-server.ts';
import { type ContractPartner, startContractPartner } from '../support/contract-partner.ts';
import { newSecret } from '../support/partner-world.ts';

const SECRET = newSecret();
const OF: Planted = { id: '0190a0b0-0000-7000-8000-000000000001', account: { id: '4' }, marker: 'lethe-test-1' };
const signal = new AbortController().signal;

describe('test data at a service that speaks the contract', () => {
  let partner: ContractPartner;
  let sender: HttpSender;
  beforeAll(async () => {
    sender = new HttpSender({
      privateHosts: ['127.0.0.1'],
      variable: () => SECRET,
      publicUrl: 'http://lethe.test',
      tokenOf: () => 'token',
    } as never);
  });
  afterAll(() => sender.close());
  beforeEach(async () => {
    partner = await startContractPartner({ secret: SECRET });
  });
  afterEach(() => partner.close());

  const at = (more: Partial<HttpLocation> = {}, canary: string | undefined = partner.canary): HttpLocation =>
    ({
      name: 'search',
      each: null,
      pacing: { timeoutMs: 500, concurrency: 1, perSecond: null, ackTimeoutMs: 60_000 },
      asks: asks.parse({ url: partner.url, secret: 'env:X', ...(canary && { canary }) }),
      ...more,
    }) as HttpLocation;
  const erase = (location: HttpLocation) => {
    const { account } = OF;
    const call = { id: 'c-1', erasureId: 'e-1', location: 'search', account, requestedAt: new Date(), values: {} };
    return sender.send(location, [{ ...call, keys: null } as unknown as Call], signal);
  };

  it('is planted once however often it is planted, is there, and is gone after the erasure', async () => {
    for (let times = 0; times < 2; times++)
      expect(await sender.plant(at(), OF, signal)).toEqual({
        kind: 'planted',
        items: 1,
        words: 'planted 1 item (200)',
      });
    expect(partner.count('4')).toBe(1);
    expect(await sender.look(at(), OF, signal)).toMatchObject({ kind: 'present' });
    expect(await erase(at())).toEqual([{ kind: 'done', words: 'erased (200)' }]);
    expect(await sender.look(at(), OF, signal)).toMatchObject({ kind: 'absent' });
    const sent = partner.received.filter(({ path }) => path === '/canary').map(({ message }) => message);
    const ids = (type: string) => sent.filter((m) => (m?.type as string) === type).map((m) => m?.id);
    expect(ids('lethe.canary.plant')).toEqual([OF.id, OF.id]);
    expect(new Set([OF.id, ...ids('lethe.canary.look')]).size).toBe(5);
  });

  it('proves that a partner lies which says erased, and keeps the data', async () => {
    partner.become({ wrong: 'keeps the data' });
    await sender.plant(at(), OF, signal);
    expect(await erase(at())).toEqual([{ kind: 'done', words: 'erased (200)' }]);
    expect(await sender.look(at(), OF, signal)).toEqual({ kind: 'present', words: 'still has it (200)' });
  });

  it('is not planted where the partner does not find it: it would say as well that it is gone', async () => {
    for (const wrong of ['plants nothing', 'lies when asked'] as const) {
      partner.become({ wrong });
      const words = 'says that it has planted, and asked for it: has nothing of it (200)';
      expect(await sender.plant(at(), OF, signal)).toEqual({ kind: 'later', words });
    }
  });

  it('has what the erasure will name of rows: the keys that are known, or else the marker', async () => {
    const each = { each: { location: 'posts', column: 'file' } };
    await sender.plant(at(each), OF, signal);
    await sender.plant(at(each), { ...OF, keys: ['k'], values: { customer: 'c' } }, signal);
    await sender.plant(at(), OF, signal);
    const plants = partner.received.filter(({ message }) => (message?.type as string) === 'lethe.canary.plant');
    const told = plants.map(({ message }) => message?.data);
    expect(told.map((data) => [data?.keys, data?.values])).toEqual([
      [['lethe-test-1'], undefined],
      [['k'], { customer: 'c' }],
      [undefined, undefined],
    ]);
  });

  it('is nowhere where the catalog says no address, and a bad one is said in words', async () => {
    const none = { kind: 'unable', words: 'has no http.canary in the catalog' };
    expect(await sender.plant(at({}, ''), OF, signal)).toEqual(none);
    expect(await sender.look(at({}, ''), OF, signal)).toEqual(none);
    expect(await sender.look(at({}, 'http://10.0.0.1/'), OF, signal)).toMatchObject({
      kind: 'unable',
      words: expect.stringMatching(/^cannot be asked: http\.canary: its address is private/),
    });
    expect(partner.received).toEqual([]);
    // What is wrong with it keeps no erasure from being asked for.
    expect(await erase(at({}, 'http://10.0.0.1/'))).toMatchObject([{ kind: 'done' }]);
  });

  it('is neither there nor gone for a partner that hangs, fails or answers with a page', async () => {
    for (const [behaviour, words] of [
      ['hang', /no complete answer within 0\.5 s/],
      ['reset', /reset/],
      ['html', /200 without JSON/],
      ['error', /failed \(500\)/],
      ['erased', /without the id of the task and the status/],
    ] as const) {
      partner.next(behaviour, 2);
      expect(await sender.plant(at(), OF, signal)).toMatchObject({
        kind: 'later',
        words: expect.stringMatching(words),
      });
      expect(await sender.look(at(), OF, signal)).toMatchObject({
        kind: 'unknown',
        words: expect.stringMatching(words),
      });
    }
  });
});

describe('test data in a bucket', () => {
  let bucket: BucketServer;
  let sender: Required<Pick<Sender<AskedLocation<never>>, 'plant' | 'look'>> & Sender<AskedLocation<never>>;
  const open = async (versions = false) => {
    bucket = await startBucket({ versions });
    sender = openS3() as never;
  };
  afterEach(async () => {
    await sender.close();
    await bucket.close();
  });
  const at = (more: Record<string, unknown>) => filesAt(bucket.url, more) as AskedLocation<never>;
  const PREFIX = { prefix: 'avatars/{account}/' };
  const kinds = async (location: AskedLocation<never>, of = OF) => [
    (await sender.plant(location, of, signal)).kind,
    (await sender.look(location, of, signal)).kind,
  ];

  it.each([false, true])('is one file below the prefix, versions kept: %s', async (versions) => {
    await open(versions);
    const location = at(PREFIX);
    expect((await sender.look(location, OF, signal)).kind).toBe('absent');
    for (let times = 0; times < 2; times++) expect(await kinds(location)).toEqual(['planted', 'present']);
    expect(bucket.held()).toHaveLength(1);
    expect(bucket.keys()).toEqual([`avatars/4/${OF.marker}`]);
    bucket.put('avatars/42/x');
    expect(await tryOn(sender as never, location as never)).toMatchObject({ last: { kind: 'done' }, rows: 1 });
    expect(await sender.look(location, OF, signal)).toEqual({ kind: 'absent', words: 'no file is there' });
  });

  it('is there while an older version is, and not for the mark of a deletion', async () => {
    await open(true);
    const location = at(PREFIX);
    await sender.plant(location, OF, signal);
    bucket.hide(`avatars/4/${OF.marker}`);
    expect((await sender.look(location, OF, signal)).kind).toBe('present');
    await tryOn(sender as never, location as never);
    bucket.hide('avatars/4/other');
    expect((await sender.look(location, OF, signal)).kind).toBe('absent');
  });

  it('is the file that a row with the marker names, and no file of a longer name', async () => {
    await open();
    const location = at({ key: 'u/{account}/{key}.png' });
    bucket.put(`u/4/${OF.marker}.png.bak`);
    expect((await sender.look(location, OF, signal)).kind).toBe('absent');
    expect(await kinds(location, { ...OF, keys: ['a', OF.marker] })).toEqual(['planted', 'present']);
    await tryOn(sender as never, location as never, { keys: [OF.marker] });
    expect((await sender.look(location, OF, signal)).kind).toBe('absent');
    const words = expect.stringMatching(/write \$marker into the column/);
    expect(await sender.plant(location, { ...OF, keys: ['a'] }, signal)).toEqual({ kind: 'unable', words });
  });

  it('is not planted where the store lets nobody write, and a store that is away says so', async () => {
    await open();
    bucket.fail({ code: 'AccessDenied', status: 403 }, { operation: 'PutObject' });
    expect(await sender.plant(at(PREFIX), OF, signal)).toEqual({
      kind: 'unable',
      words: 'PutObject: the credentials do not allow it (AccessDenied, 403): test data needs s3:PutObject',
    });
    bucket.fail('reset', { operation: 'PutObject' });
    expect((await sender.plant(at(PREFIX), OF, signal)).kind).toBe('later');
    bucket.fail('html', { operation: 'ListObjectsV2' });
    expect((await sender.look(at(PREFIX), OF, signal)).kind).toBe('unknown');
    const odd = { ...OF, account: { id: '../x' } };
    expect(await kinds(at(PREFIX), odd)).toEqual(['unable', 'unable']);
  });
});
