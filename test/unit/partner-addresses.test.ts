import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkedLookup, isPrivateAddress, isRefusedHost, mayBePrivate } from '../../src/partners/addresses.ts';

/** The same networks in the words of Node, as an independent reader of addresses. */
const blocked = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  blocked.addSubnet(net, bits, 'ipv4');
blocked.addAddress('168.63.129.16', 'ipv4');

/** Half of them near the bounds of a private network. */
const bases = [0, 10, 100, 127, 168, 169, 172, 192, 198, 203, 223, 224, 255];
const v4 = fc
  .tuple(
    fc.oneof(fc.constantFrom(...bases), fc.integer({ min: 0, max: 255 })),
    fc.oneof(
      fc.constantFrom(0, 15, 16, 18, 19, 20, 31, 32, 51, 63, 64, 88, 127, 128, 168, 254),
      fc.integer({ min: 0, max: 255 }),
    ),
    fc.oneof(fc.constantFrom(0, 2, 99, 100, 113, 129), fc.integer({ min: 0, max: 255 })),
    fc.integer({ min: 0, max: 255 }),
  )
  .map((parts) => parts.join('.'));

describe('a private address', () => {
  it('is one of the networks that the internet does not have', () => {
    fc.assert(
      fc.property(v4, (address) => {
        expect(isPrivateAddress(address)).toBe(blocked.check(address, 'ipv4'));
      }),
      { numRuns: 5000 },
    );
  });

  it('is as private in IPv6 as the one of IPv4 that stands in it', () => {
    fc.assert(
      fc.property(v4, (address) => {
        const expected = isPrivateAddress(address);
        const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number];
        const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
        for (const written of [
          `::ffff:${address}`,
          `::FFFF:${hex}`,
          `0:0:0:0:0:ffff:${hex}`,
          `64:ff9b::${address}`,
          `2002:${hex}::1`,
        ])
          expect(isPrivateAddress(written), written).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    '::',
    '::1',
    '::127.0.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00:ec2::254',
    'fec0::1',
    'ff02::1',
    '100::1',
  ])('is %s as well', (address) => expect(isPrivateAddress(address)).toBe(true));

  it.each(['2001:db8::1', '2001::1', '2001:10::1', '64:ff9b:1::1', '4000::1', '3fff::1', '1fff::1'])(
    'is %s, which nobody has',
    (address) => expect(isPrivateAddress(address)).toBe(true),
  );

  it.each([
    '2606:4700:4700::1111',
    '2001:4860:4860::8888',
    '2a00:1450:4001:800::200e',
    '1.1.1.1',
    '172.32.0.1',
    '168.63.129.17',
  ])('is not %s', (address) => expect(isPrivateAddress(address)).toBe(false));
});

describe('a host', () => {
  it.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://017700000001/',
    'http://127.1:8080/',
    'http://[::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://169.254.169.254/latest/meta-data',
    'http://0/',
    'http://１２７.0.0.1/',
  ])('is refused when it is written %s', (url) => {
    expect(isRefusedHost([], new URL(url).hostname)).toBe(true);
  });

  it('may be private when it is listed, by itself or by what it ends with', () => {
    expect(isRefusedHost(['127.0.0.1'], '127.0.0.1')).toBe(false);
    expect(isRefusedHost(['[::1]'], '[::1]')).toBe(false);
    expect(isRefusedHost(['::1'], '[::1]')).toBe(false);
    expect(mayBePrivate(['Search.Internal'], 'search.internal.')).toBe(true);
    expect(mayBePrivate(['*.internal'], 'search.internal')).toBe(true);
    for (const other of ['internal', 'searchinternal', 'search.internal.example', 'search'])
      expect(mayBePrivate(['*.internal', 'search.local'], other)).toBe(false);
  });
});

describe('the look-up of a connection', () => {
  const look = (hosts: string[], answers: string[], all = true) =>
    new Promise<{ error: string | null; got: unknown }>((done) =>
      checkedLookup(hosts, (_, answer) =>
        answer(
          null,
          answers.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        ),
      )('search.example', { all }, (error, got) => done({ error: error?.message ?? null, got })),
    );

  it('gives public addresses, in the form that is asked for', async () => {
    expect(await look([], ['1.1.1.1', '2606:4700::1'])).toMatchObject({
      error: null,
      got: [{ family: 4 }, { family: 6 }],
    });
    expect(await look([], ['1.1.1.1'], false)).toEqual({ error: null, got: '1.1.1.1' });
  });

  it('refuses a name when one of its addresses is private, unless it is listed', async () => {
    for (const all of [true, false])
      expect((await look([], ['1.1.1.1', '127.0.0.1'], all)).error).toContain('LETHE_PRIVATE_HOSTS');
    expect((await look(['other.example'], ['::ffff:10.0.0.1'])).error).toContain('private address');
    expect((await look(['search.example'], ['10.0.0.1'])).error).toBeNull();
  });

  it('says so when there is no address', async () => {
    expect((await look([], [])).error).toBe('no address');
  });
});
