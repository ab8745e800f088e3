import { afterEach, describe, expect, it } from 'vitest';
import type { Answer } from '../../src/locations/asked.ts';
import { KINDS } from '../../src/locations/kinds/registry.ts';
import { filesAt, LOOPBACK, openS3, tryOn, tryOnce } from '../support/ask-bucket.ts';
import { type BucketServer, type Fault, startBucket } from '../support/bucket-server.ts';

const PREFIX = { prefix: 'avatars/{account}/' };
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open(of: { versions?: boolean; pageSize?: number } = {}) {
  const bucket = await startBucket(of);
  const sender = openS3();
  closing.push(bucket.close, sender.close);
  return { bucket, sender };
}
const numbered = (count: number, begin: string) =>
  Array.from({ length: count }, (_, n) => `${begin}${String(n).padStart(5, '0')}`);
function more(answer: Answer): Answer & { kind: 'more' } {
  if (answer.kind !== 'more') throw new Error(`it answered ${answer.kind}`);
  return answer;
}
/** An account with `count` files, and others whose names begin like theirs. */
function fill(bucket: BucketServer, count: number): string[] {
  const others = ['avatars/42/a.png', 'avatars/4', 'avatars/4.png', 'avatars/40/4/b.png', 'x/avatars/4/c.png'];
  bucket.put(...numbered(count, 'avatars/4/'), ...others);
  return others.sort();
}

describe('files below a prefix', () => {
  it('go in batches of a thousand, and nothing of others does', async () => {
    const { bucket, sender } = await open();
    const others = fill(bucket, 2_500);
    const { answers, last, rows } = await tryOn(sender, filesAt(bucket.url, PREFIX));
    expect(bucket.keys()).toEqual(others);
    expect([last, rows]).toEqual([{ kind: 'done', words: 'no file is left', rows: 500 }, 2_500]);
    expect(answers.map((a) => ('rows' in a ? a.rows : null))).toEqual([0, 1_000, 1_000, 500]);
    const deletions = bucket.requests.filter(({ operation }) => operation === 'DeleteObjects');
    expect(deletions.map(({ keys }) => keys.length)).toEqual([1_000, 1_000, 500]);
    // A list after the last deletion.
    expect(bucket.operations().at(-1)).toBe('ListObjectsV2');
  });

  it('whose names are unusual go as well', async () => {
    const { bucket, sender } = await open();
    const odd = ['a b+c%41.png', 'ü 😀', '&<>"\'', 'line\r\nbreak\t', '\u0001\u001f', '..', 'a//b/../c', '?x=1#y', ''];
    bucket.put(...odd.map((name) => `avatars/4/${name}`), 'avatars/42/\u0001');
    expect(await tryOn(sender, filesAt(bucket.url, PREFIX))).toMatchObject({
      last: { kind: 'done' },
      rows: odd.length,
    });
    expect(bucket.keys()).toEqual(['avatars/42/\u0001']);
  });

  it('that are none are done at once, and nothing is deleted', async () => {
    const { bucket, sender } = await open();
    const others = fill(bucket, 0);
    expect(await tryOn(sender, filesAt(bucket.url, PREFIX))).toMatchObject({
      answers: [{ kind: 'done', rows: 0 }],
    });
    expect(bucket.operations()).toEqual(['GetBucketVersioning', 'ListObjectsV2', 'ListMultipartUploads']);
    expect(bucket.keys()).toEqual(others);
  });

  it('that come while it deletes are found by the last list', async () => {
    const { bucket, sender } = await open();
    fill(bucket, 3);
    let once = true;
    bucket.afterEach((operation) => {
      if (operation === 'ListMultipartUploads' && once) bucket.put('avatars/4/late');
      if (operation === 'ListMultipartUploads') once = false;
    });
    const { answers, rows } = await tryOn(sender, filesAt(bucket.url, PREFIX));
    expect(answers.map(({ kind }) => kind)).toEqual(['more', 'more', 'done']);
    expect([rows, bucket.keys().includes('avatars/4/late')]).toEqual([4, false]);
  });

  it('are each counted, though a worker died after a deletion that it has told nobody of', async () => {
    const { bucket, sender } = await open();
    fill(bucket, 2_500);
    const location = filesAt(bucket.url, PREFIX);
    const counted = await tryOnce(sender, location);
    const told = more(await tryOnce(sender, location, more(counted)));
    await tryOnce(sender, location, told);
    const { last, rows } = await tryOn(sender, location, told);
    expect([last.kind, told.rows + rows]).toEqual(['done', 2_500]);
  });

  it('are as many as one likes: then they are counted as they go', async () => {
    const { bucket, sender } = await open({ pageSize: 100 });
    fill(bucket, 1_234);
    const { answers, rows } = await tryOn(sender, filesAt(bucket.url, PREFIX));
    expect([answers[0], rows]).toEqual([{ kind: 'more', words: 'it has many files', rows: 0, cursor: ['0'] }, 1_234]);
  });

  it('end with the uploads that nobody has completed', async () => {
    const { bucket, sender } = await open();
    fill(bucket, 2);
    for (const key of ['avatars/4/big', 'avatars/4/big', 'avatars/42/big']) bucket.upload(key);
    expect(await tryOn(sender, filesAt(bucket.url, PREFIX))).toMatchObject({ last: { kind: 'done' }, rows: 2 });
    expect(bucket.uploads()).toEqual(['avatars/42/big']);
  });

  it('go from a store that has neither versions nor uploads', async () => {
    const { bucket, sender } = await open();
    fill(bucket, 2);
    bucket.lack('GetBucketVersioning', 'ListMultipartUploads', 'ListObjectVersions');
    expect(await tryOn(sender, filesAt(bucket.url, PREFIX))).toMatchObject({ last: { kind: 'done' }, rows: 2 });
  });

  it('are not touched for a key that would be another path', async () => {
    const { bucket, sender } = await open();
    fill(bucket, 2);
    const answer = await tryOnce(sender, filesAt(bucket.url, PREFIX), { account: '42/..' });
    expect(answer).toMatchObject({ kind: 'later', down: false, words: expect.stringContaining('has a slash') });
    expect(bucket.requests).toEqual([]);
  });
});

describe('where the bucket has versions', () => {
  it('every version and every mark of a deletion goes', async () => {
    const { bucket, sender } = await open({ versions: true });
    const others = fill(bucket, 1_200);
    bucket.put(...numbered(300, 'avatars/4/'), 'avatars/42/a.png');
    for (const key of numbered(50, 'avatars/4/')) bucket.hide(key);
    const { last, rows } = await tryOn(sender, filesAt(bucket.url, PREFIX));
    expect([last.kind, rows, bucket.keys()]).toEqual(['done', 1_500, others]);
    expect(bucket.held().filter((v) => v.startsWith('avatars/42/')).length).toBe(2);
  });

  it('a prefix of nothing but marks is emptied', async () => {
    const { bucket, sender } = await open({ versions: true });
    for (const key of numbered(3, 'avatars/4/')) bucket.hide(key);
    expect(await tryOn(sender, filesAt(bucket.url, PREFIX))).toMatchObject({ last: { kind: 'done' }, rows: 0 });
    expect(bucket.held()).toEqual([]);
  });

  it('each file that a row names goes with all its versions, and no longer key does', async () => {
    const { bucket, sender } = await open({ versions: true, pageSize: 3 });
    for (let n = 0; n < 5; n++) bucket.put('up/a', 'up/a.png', 'up/ab', 'up/b');
    bucket.hide('up/a');
    const location = filesAt(bucket.url, { key: 'up/{key}' });
    expect(await tryOn(sender, location, { keys: ['a', 'b', 'missing'] })).toMatchObject({
      last: { kind: 'done' },
      rows: 3,
    });
    expect(bucket.keys()).toEqual(['up/a.png', 'up/ab']);
    expect(bucket.held().length).toBe(10);
  });

  it('no answer says done while versions may be left', async () => {
    const { bucket, sender } = await open({ versions: true });
    bucket.put('avatars/4/a');
    bucket.fail({ code: 'AccessDenied', status: 403 }, { operation: 'GetBucketVersioning', times: 2 });
    const answer = await tryOnce(sender, filesAt(bucket.url, PREFIX));
    expect(answer).toMatchObject({
      kind: 'later',
      words: expect.stringMatching(/^GetBucketVersioning: .*AccessDenied, 403/),
    });
    expect(await tryOnce(sender, filesAt(bucket.url), { keys: ['avatars/4/a'] })).toMatchObject({ kind: 'later' });
    expect(bucket.held()).toEqual(['avatars/4/a v1']);
  });
});

describe('files that rows name', () => {
  it('go by a thousand; what is not there is as good as deleted; no other is touched', async () => {
    const { bucket, sender } = await open();
    const keys = numbered(1_000, 'k');
    bucket.put(...keys.slice(0, 700), 'k00000.jpg', 'other');
    const { answers } = await tryOn(sender, filesAt(bucket.url), { keys: [...keys.slice(0, 998), '', 'k00000'] });
    expect(answers).toEqual([{ kind: 'done', words: 'the files are deleted', rows: 1_000 }]);
    expect(bucket.keys()).toEqual(['k00000.jpg', 'other']);
    expect(bucket.operations()).toEqual(['GetBucketVersioning', 'DeleteObjects']);
  });

  it('are sought where the catalog says', async () => {
    const { bucket, sender } = await open();
    bucket.put('u/4/a', 'u/5/a', 'a');
    await tryOn(sender, filesAt(bucket.url, { key: 'u/{account}/{key}' }), { keys: ['a'] });
    expect(bucket.keys()).toEqual(['a', 'u/5/a']);
  });
});

describe('a bucket that refuses one key of a thousand', () => {
  it.each([
    ['below a prefix', PREFIX, null],
    ['that a row names', {}, numbered(1_000, 'avatars/4/')],
  ] as const)('%s: the others go and count, and the next try asks only for what is left', async (_how, more, keys) => {
    const { bucket, sender } = await open();
    const others = fill(bucket, 1_000);
    const stuck = 'avatars/4/00500';
    bucket.refuse('AccessDenied', [stuck]);
    const location = filesAt(bucket.url, more);
    const first = await tryOn(sender, location, { keys });
    const words = 'it would not delete 1 file: AccessDenied (1)';
    expect(first).toMatchObject({ rows: 999, last: { kind: 'later', words, down: false } });
    expect(bucket.keys()).toEqual([...others, stuck].sort());
    bucket.requests.length = 0;
    const again = await tryOn(sender, location, { keys, cursor: first.cursor, attempts: 1 });
    expect(again).toMatchObject({ rows: 0, last: { kind: 'later', words } });
    expect(bucket.requests.flatMap((r) => (r.operation === 'DeleteObjects' ? r.keys : []))).toEqual([stuck]);
    bucket.refuse('AccessDenied', []);
    expect(await tryOn(sender, location, { keys, cursor: again.cursor, attempts: 2 })).toMatchObject({
      last: { kind: 'done' },
      rows: 1,
    });
    expect(bucket.keys()).toEqual(others);
  });

  it('or most of them does not keep back those behind them', async () => {
    const { bucket, sender } = await open();
    const others = fill(bucket, 4_000);
    const stuck = numbered(2_500, 'avatars/4/');
    bucket.refuse('InvalidObjectState', stuck);
    const { last, rows } = await tryOn(sender, filesAt(bucket.url, PREFIX));
    expect([rows, bucket.keys()]).toEqual([1_500, [...others, ...stuck].sort()]);
    expect(last).toMatchObject({ words: 'it would not delete 2,500 files: InvalidObjectState (2,500)' });
  });

  it('with versions says so as well', async () => {
    const { bucket, sender } = await open({ versions: true });
    bucket.put('a', 'a', 'b', 'b');
    bucket.refuse('ObjectLocked', ['a']);
    const { last, rows } = await tryOn(sender, filesAt(bucket.url), { keys: ['a', 'b'] });
    expect([rows, bucket.keys()]).toEqual([1, ['a']]);
    expect(last).toMatchObject({ kind: 'later', words: 'it would not delete 1 file: ObjectLocked (1)' });
  });

  it('never has a code of its own making repeated', async () => {
    const { bucket, sender } = await open();
    bucket.put('jo@example.com');
    bucket.refuse('cannot delete jo@example.com', ['jo@example.com']);
    const { last } = await tryOn(sender, filesAt(bucket.url), { keys: ['jo@example.com'] });
    expect(last).toMatchObject({ words: 'it would not delete 1 file: an unknown code (1)' });
  });

  it('for being too busy has a pause made', async () => {
    const { bucket, sender } = await open();
    bucket.put('a');
    bucket.refuse('SlowDown', ['a']);
    expect((await tryOn(sender, filesAt(bucket.url), { keys: ['a'] })).last).toMatchObject({ afterMs: 5_000 });
  });
});

describe('a store that does not answer as it should', () => {
  const refused = (code: string, status: number): Fault => ({ code, status });
  it.each<[string, Fault, object]>([
    ['asks for a pause', refused('SlowDown', 503), { down: false, afterMs: 5_000 }],
    [
      'asks for a pause of its choice',
      { code: 'SlowDown', status: 503, headers: { 'retry-after': '120' } },
      { down: false, afterMs: 120_000 },
    ],
    [
      'has no such bucket',
      refused('NoSuchBucket', 404),
      { down: true, words: expect.stringContaining('does not exist') },
    ],
    [
      'denies access',
      refused('AccessDenied', 403),
      { down: true, words: expect.stringContaining('AccessDenied, 403') },
    ],
    [
      'has an error',
      refused('InternalError', 500),
      { down: true, words: expect.stringContaining('InternalError, 500') },
    ],
    ['answers HTML', 'html', { down: true, words: expect.stringContaining('no answer of S3') }],
    ['resets the connection', 'reset', { down: true, words: expect.stringContaining('cannot be reached') }],
    ['hangs', 'silence', { down: true, words: expect.stringContaining('no answer in time') }],
    ['stops in the middle', 'half_an_answer', { down: true, words: expect.stringContaining('no answer in time') }],
    ['does not end', 'endless_answer', { down: true, words: 'its answer is too long' }],
  ])('and %s is asked again later', async (_what, fault, answer) => {
    const { bucket, sender } = await open();
    fill(bucket, 2);
    const location = filesAt(bucket.url, PREFIX, fault === 'endless_answer' ? 30_000 : 1_000);
    for (const operation of ['ListObjectsV2', 'GetBucketVersioning']) {
      bucket.fail(fault, { operation });
      expect(await tryOnce(sender, location), operation).toMatchObject({ kind: 'later', ...answer });
    }
    bucket.fail(fault, { operation: 'DeleteObjects' });
    const { last } = await tryOn(sender, location);
    // Of an upload or a deletion nobody knows what became of it: what is left is asked for again.
    expect(last).toMatchObject({ kind: 'later', ...answer });
    expect(await tryOn(sender, location)).toMatchObject({ last: { kind: 'done' } });
  });

  it('and lists files that it was not asked for has nothing deleted', async () => {
    const { bucket, sender } = await open();
    const others = fill(bucket, 2);
    const location = filesAt(bucket.url, PREFIX);
    bucket.ignorePrefix(true);
    expect(await tryOnce(sender, location, { cursor: ['0'] })).toMatchObject({
      kind: 'later',
      words: 'it lists files that it was not asked for',
    });
    expect(bucket.keys()).toEqual([...numbered(2, 'avatars/4/'), ...others].sort());
  });

  it('and cannot be reached is asked again later', async () => {
    const { bucket, sender } = await open();
    await bucket.close();
    closing.shift();
    expect(await tryOnce(sender, filesAt(bucket.url, PREFIX))).toEqual({
      kind: 'later',
      words: 'GetBucketVersioning: it cannot be reached (ECONNREFUSED)',
      down: true,
    });
  });
});

describe('a store at a private address', () => {
  it.each(['https://127.0.0.1:9', 'https://169.254.169.254', 'https://[::1]:9', 'https://localhost:9'])(
    '%s is not asked unless it may be',
    async (url) => {
      const sender = openS3({ ...LOOPBACK, privateHosts: [] });
      closing.push(sender.close);
      const answer = await tryOnce(sender, filesAt(url, PREFIX));
      expect(answer).toMatchObject({
        kind: 'later',
        down: true,
        words: expect.stringMatching(/address is private|PRIVATE_ADDRESS/),
      });
    },
  );

  it('or without encryption is refused at the start', () => {
    const tools = { variable: () => 'x', privateHosts: ['10.0.0.5'] };
    const of = (endpoint: string) => KINDS['object-store'].outside?.problemsOf?.(filesAt(endpoint, PREFIX), tools);
    expect(of('https://s3.example.com')).toEqual([]);
    expect(of('http://10.0.0.5:9000')).toEqual([]);
    expect(of('http://s3.example.com')).toEqual([expect.stringContaining('s3.endpoint: expected https://')]);
    expect(of('https://10.0.0.6')).toEqual([expect.stringContaining('s3.endpoint: its address is private')]);
  });

  it('is asked where the list of private hosts has it', async () => {
    const bucket = await startBucket();
    const sender = openS3({ ...LOOPBACK, privateHosts: ['localhost'] });
    closing.push(bucket.close, sender.close);
    bucket.put('a');
    const location = filesAt(bucket.url.replace('127.0.0.1', 'localhost'));
    expect(await tryOnce(sender, location, { keys: ['a'] })).toMatchObject({ kind: 'done' });
  });
});

describe('credentials', () => {
  it('that are not set are named, and used as soon as they are', async () => {
    const { bucket } = await open();
    const variables: Record<string, string> = { K: 'k' };
    const sender = openS3({ ...LOOPBACK, variables });
    closing.push(sender.close);
    const location = filesAt(bucket.url);
    expect(await tryOnce(sender, location, { keys: ['a'] })).toMatchObject({ kind: 'later', words: 'S: is not set' });
    variables.S = 's';
    expect(await tryOnce(sender, location, { keys: ['a'] })).toMatchObject({ kind: 'done' });
  });
});
