import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientAddress, networksOf, UNKNOWN } from '../../src/http/server/client-address.ts';

describe('the socket', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    [undefined, UNKNOWN],
    ['', UNKNOWN],
  ])('%s counts as %s, whatever a header says', (socket, counted) => {
    expect(clientAddress(socket, '198.51.100.1', 0)).toBe(counted);
  });
});

describe('X-Forwarded-For', () => {
  it.each([
    ['one proxy: the last', '203.0.113.1, 198.51.100.1', 1, '198.51.100.1'],
    ['two proxies: the last but one', '1.1.1.1, 203.0.113.1, 198.51.100.1', 2, '203.0.113.1'],
    ['a port', '203.0.113.1:4711', 1, '203.0.113.1'],
    ['IPv6', '2001:DB8:0:1::42', 1, '2001:db8:0:1::/64'],
    ['IPv6 with brackets and a port', '[2001:db8:0:1::42]:443', 1, '2001:db8:0:1::/64'],
    ['IPv6 around IPv4', '::FFFF:203.0.113.1', 1, '203.0.113.1'],
    ['more proxies than entries', '203.0.113.1', 2, '192.0.2.7'],
    ['nothing', '', 1, '192.0.2.7'],
    ['an empty entry', '203.0.113.1, ', 1, '192.0.2.7'],
    ['a name', 'unknown', 1, '192.0.2.7'],
    ['an address with too much', '203.0.113.1 or 1=1', 1, '192.0.2.7'],
    ['an octal address', '0203.0.113.1', 1, '192.0.2.7'],
    ['five groups', '1:2:3:4:5', 1, '192.0.2.7'],
    ['brackets that do not close', '[2001:db8::1', 1, '192.0.2.7'],
  ])('with %s', (_, header, proxies, counted) => {
    expect(clientAddress('192.0.2.7', header, proxies)).toBe(counted);
  });

  it('is the same caller whatever the caller wrote to the left of what the proxies appended', () => {
    const entry = fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.string({ minLength: 200, maxLength: 5_000 }));
    fc.assert(
      fc.property(
        fc.array(entry),
        fc.oneof(fc.ipV4(), fc.ipV6()),
        fc.array(fc.ipV4(), { maxLength: 4 }),
        (spoofed, own, proxies) => {
          const honest = [own, ...proxies].join(', ');
          const header = [...spoofed, honest].join(', ');
          const n = proxies.length + 1;
          expect(clientAddress('192.0.2.7', header, n)).toBe(clientAddress('192.0.2.7', honest, n));
        },
      ),
    );
  });

  it('gives a short canonical text for anything at all', () => {
    fc.assert(
      fc.property(
        fc.option(fc.string(), { nil: undefined }),
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 300 }),
          fc.array(fc.ipV6()).map((a) => a.join(',')),
        ),
        fc.integer({ min: 0, max: 10 }),
        (socket, header, n) => {
          expect(clientAddress(socket, header, n)).toMatch(/^(unknown|\d{1,3}(\.\d{1,3}){3}|([\da-f]{1,4}:){4}:\/64)$/);
        },
      ),
    );
  });

  it('counts all addresses of a /64 as one, and neighbours apart', () => {
    const group = fc.integer({ min: 1, max: 0xffff }).map((n) => n.toString(16));
    fc.assert(
      fc.property(fc.array(group, { minLength: 12, maxLength: 12 }), (groups) => {
        const network = groups.slice(0, 4).join(':');
        const one = clientAddress(`${network}:${groups.slice(4, 8).join(':')}`, undefined, 0);
        expect(clientAddress(`${network}:${groups.slice(8, 12).join(':')}`, undefined, 0)).toBe(one);
        expect(clientAddress(`${network}::1`, undefined, 0)).toBe(one);
        const last = (Number.parseInt(groups[3] as string, 16) ^ 1).toString(16);
        expect(clientAddress(`${groups.slice(0, 3).join(':')}:${last}::1`, undefined, 0)).not.toBe(one);
      }),
    );
  });
});

describe('networks', () => {
  it.each([
    ['192.0.2.7', []],
    [UNKNOWN, []],
    ['2001:db8:1:abcd::/64', ['2001:db8:1:ab00::/56', '2001:db8:1::/48']],
    ['2001:db8:1:ff::/64', ['2001:db8:1:0::/56', '2001:db8:1::/48']],
    [clientAddress('::1', undefined, 0), ['0:0:0:0::/56', '0:0:0::/48']],
  ])('of %s', (address, above) => {
    expect(networksOf(address)).toEqual([address, ...above]);
  });
});
