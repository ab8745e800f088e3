import { describe, expect, it } from 'vitest';
import { parseCatalog } from '../../src/catalog/load.ts';
import type { SenderTools } from '../../src/locations/asked.ts';
import { asks, type HttpLocation } from '../../src/locations/http/declare.ts';
import { http } from '../../src/locations/http/kind.ts';
import { problemsOf } from '../../src/locations/http/problems.ts';
import { HttpSender } from '../../src/locations/http/send.ts';

const SECRET = 'a secret of more than 24 bytes'.replaceAll(' ', '-');
const GOOD = { url: 'https://search.internal/erasures', secret: 'env:SEARCH_SECRET' };

describe('an entry of a partner that speaks the contract', () => {
  it('has an address and a secret, and is paced by itself', () => {
    expect(asks.parse(GOOD)).toEqual({ ...GOOD, timeout: 10_000, concurrency: 4, ackTimeout: 86_400_000 });
    expect(asks.parse({ ...GOOD, timeout: '2s', concurrency: 8, rate: '20/s', ackTimeout: '1h' })).toMatchObject({
      timeout: 2000,
      rate: 20,
      ackTimeout: 3_600_000,
    });
  });

  it.each([
    [{ url: 'search.internal' }, /begins with https/],
    [{ url: 'ftp://search.internal/' }, /begins with https/],
    [{ url: 'https://user:password@search.internal/' }, /without user and password/],
    [{ url: 'https://search.internal/#here' }, /without #/],
    [{ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }, /env: and the name of a variable/],
    [{ secret: 'env:' }, /env: and the name/],
    [{ canary: 'https://user:password@search.internal/' }, /without user and password/],
    [{ canary: 'search.internal/canary' }, /begins with https/],
    [{ retries: 3 }, /[Uu]nrecognized key/],
  ])('is refused with %j', (wrong, words) => {
    const { success, error } = asks.safeParse({ ...GOOD, ...wrong });
    expect(success).toBe(false);
    expect(error?.message).toMatch(words);
    // Whoever writes the secret itself does not find it in a log.
    expect(error?.message).not.toContain('MfKQ9r8');
  });

  it('names the file and the key to whoever writes a catalog', () => {
    const entry = 'partner: search, owner: search, http: { url: "https://a.example/", secret: plain }';
    expect(() => parseCatalog(`account: { table: users, key: id }\nlocations:\n  - { ${entry} }\n`)).toThrow(
      /http\.secret: search: .*with env:/,
    );
  });
});

describe('a partner as catalog and environment are now', () => {
  const problems = (url: string, secret: string | undefined = SECRET, privateHosts: string[] = []) =>
    problemsOf({ asks: { ...GOOD, url } } as HttpLocation, {
      variable: (name) => (name === 'SEARCH_SECRET' ? secret : undefined),
      privateHosts,
    });

  it('can be asked over https, and at a listed host over http', () => {
    expect(problems('https://search.example/erasures')).toEqual([]);
    expect(problems('http://search.internal:8080/', SECRET, ['search.internal'])).toEqual([]);
    expect(problems('http://127.0.0.1:8080/', SECRET, ['127.0.0.1'])).toEqual([]);
  });

  it('cannot be asked over http, at a private address, or without a good secret', () => {
    expect(problems('http://search.example/')).toEqual([expect.stringContaining('expected https://')]);
    expect(problems('https://169.254.169.254/')).toEqual([expect.stringContaining('its address is private')]);
    expect(problems('http://[::ffff:10.0.0.1]/')).toHaveLength(2);
    expect(problems('https://a.example/', 'short')).toEqual(['SEARCH_SECRET: has fewer than 24 bytes']);
    expect(problems('https://a.example/', '')).toEqual(['SEARCH_SECRET: is empty']);
  });

  it('has its address for test data looked at by the same rules', () => {
    const canary = (url: string) =>
      problemsOf({ asks: { ...GOOD, canary: url } } as HttpLocation, {
        variable: () => SECRET,
        privateHosts: ['10.0.0.1'],
      });
    expect(canary('https://search.example/canary')).toEqual([]);
    expect(canary('http://10.0.0.1/canary')).toEqual([]);
    expect(canary('http://search.example/')).toEqual([expect.stringMatching(/^http\.canary: expected https:/)]);
    expect(canary('https://10.0.0.2/')).toEqual([expect.stringMatching(/^http\.canary: its address is private/)]);
  });

  it('needs the variable of its secret', () => {
    expect(http.outside?.variablesOf({ asks: GOOD } as HttpLocation)).toEqual(['SEARCH_SECRET']);
  });
});

it('a partner that is told of rows cannot be planted without one: it is not asked, and not to blame', async () => {
  const canary = 'http://127.0.0.1:1/';
  const location = {
    name: 'search',
    asks: { ...GOOD, url: canary, canary },
    each: { location: 'posts', column: 'id' },
    pacing: { timeoutMs: 1_000, concurrency: 1 },
  } as HttpLocation;
  const tools = { variable: () => SECRET, privateHosts: ['127.0.0.1'], publicUrl: 'http://lethe.test' };
  const sender = new HttpSender(tools as unknown as SenderTools);
  const of = { id: 'c', account: { id: '1' }, marker: 'canary-1', values: {} };
  const { signal } = new AbortController();
  try {
    expect(await sender.plant(location, { ...of, keys: [] }, signal)).toEqual({
      kind: 'unable',
      words: 'no row of posts is planted',
    });
    expect(await sender.plant(location, { ...of, keys: ['7'] }, signal)).toMatchObject({ kind: 'later' });
  } finally {
    await sender.close();
  }
});
