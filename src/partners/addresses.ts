import { type LookupAddress, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';

/** Refuses a connection: nobody but the owner of a private network may have a service send something into it. */
export class PrivateAddress extends Error {
  readonly code = 'PRIVATE_ADDRESS';
  constructor() {
    super('its host has a private address, and is not in LETHE_PRIVATE_HOSTS');
  }
}

/** Networks that nobody reaches over the internet, or that belong to the machine itself; and metadata of clouds. */
const PRIVATE_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];

const inV4 = (text: string) => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

const isPrivateV4 = (value: number) =>
  PRIVATE_V4.some(([base, bits]) => Math.floor(value / 2 ** (32 - bits)) === Math.floor(inV4(base) / 2 ** (32 - bits)));

/** The eight numbers of an IPv6 address. */
function groupsOf(text: string): number[] {
  const [plain = ''] = text.split('%');
  // The last 32 bits may be written as IPv4.
  const hex = plain.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (v4) => {
    const value = inV4(v4);
    return `${Math.floor(value / 65_536).toString(16)}:${(value % 65_536).toString(16)}`;
  });
  const [head = '', tail] = hex.split('::');
  const numbers = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  if (tail === undefined) return numbers(head);
  const [first, last] = [numbers(head), numbers(tail)];
  return [...first, ...Array(8 - first.length - last.length).fill(0), ...last];
}

/** True unless the address is one of the internet (2000::/3), and no other address of IPv4 stands in it. */
function isPrivateV6(text: string): boolean {
  const groups = groupsOf(text);
  const v4At = (at: number) => (groups[at] as number) * 65_536 + (groups[at + 1] as number);
  const [a, b] = groups as [number, number];
  const begins = (...with_: number[]) => with_.every((group, n) => groups[n] === group);
  // IPv4 mapped, and behind a translator (RFC 6052): it is as private as what stands in it.
  if (begins(0, 0, 0, 0, 0, 0xffff) || begins(0x64, 0xff9b, 0, 0, 0, 0)) return isPrivateV4(v4At(6));
  if (a === 0x2002) return isPrivateV4(v4At(1));
  if (a < 0x2000 || a > 0x3fff) return true;
  // Teredo and other ways of the protocol itself; documentation.
  return (a === 0x2001 && b < 0x200) || (a === 0x2001 && b === 0xdb8) || (a === 0x3fff && b < 0x1000);
}

/** True for an address that is not of the internet: this machine, private networks, metadata of clouds. */
export const isPrivateAddress = (address: string): boolean =>
  isIP(address) === 4 ? isPrivateV4(inV4(address)) : isPrivateV6(address);

/** The host of a URL without what a URL writes around an address. */
const bare = (host: string) => host.toLowerCase().replace(/^\[|\]$|\.$/g, '');

/**
 * True when a host may have a private address. `hosts`: names and addresses; `*.internal` stands for every name that ends
 * with `.internal`.
 */
export const mayBePrivate = (hosts: readonly string[], host: string): boolean =>
  hosts.some((entry) => {
    const [allowed, asked] = [bare(entry), bare(host)];
    return allowed.startsWith('*.') ? asked.endsWith(allowed.slice(1)) : asked === allowed;
  });

/** True for a host that is written as a private address, and may not be. A name is looked up later. */
export const isRefusedHost = (hosts: readonly string[], host: string): boolean =>
  isIP(bare(host)) !== 0 && isPrivateAddress(bare(host)) && !mayBePrivate(hosts, host);

/** Gives every address of a name. */
export type Resolve = (host: string, done: (error: Error | null, addresses: LookupAddress[]) => void) => void;

/**
 * The look-up of one connection. It refuses private addresses where the connection gets them, so that a name which
 * resolves to another address the second time gains nothing.
 */
export const checkedLookup =
  (
    hosts: readonly string[],
    resolve: Resolve = (host, done) => lookup(host, { all: true }, done as never),
  ): LookupFunction =>
  (host, options, done) =>
    resolve(host, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error || !first) return done(error ?? new Error('no address'), []);
      if (!mayBePrivate(hosts, host) && addresses.some(({ address }) => isPrivateAddress(address)))
        return done(new PrivateAddress(), []);
      if (options.all) return done(null, addresses);
      done(null, first.address, first.family);
    });
