import { isIPv4, isIPv6 } from 'node:net';

/** Stands for callers whose address cannot be read. They share one budget. */
export const UNKNOWN = 'unknown';

/**
 * Who a request is counted against: an IPv4 address, or the /64 of an IPv6 one (`2001:db8:0:1::/64`), because
 * one household has all of it. Each of the `trustedProxies` proxies appends what it saw to X-Forwarded-For. So the n-th
 * entry from the right counts; everything to the left of it is the caller's own text. Where that entry is missing or no
 * address, the socket's address counts.
 */
export function clientAddress(socket: string | undefined, forwardedFor: string | undefined, trustedProxies: number) {
  const entry = trustedProxies > 0 ? forwardedFor?.split(',').at(-trustedProxies) : undefined;
  return (entry && canonical(entry)) || (socket && canonical(socket)) || UNKNOWN;
}

/** The longest spelling: an IPv6 address with an IPv4 ending, in brackets, with a port, and with room for a zone. */
const LONGEST = 100;

function canonical(entry: string): string | undefined {
  const text = entry.trim();
  if (text.length > LONGEST) return undefined;
  const v4 = text.replace(/:\d{1,5}$/, '');
  if (isIPv4(v4)) return v4;
  const v6 = text.replace(/^\[([^[\]]*)\](:\d{1,5})?$/, '$1').replace(/%[\w.-]+$/, '');
  return isIPv6(v6) ? network(v6) : undefined;
}

/** The /64 of an IPv6 address, or the IPv4 address that it only wraps (`::ffff:192.0.2.1`). */
function network(address: string): string {
  const spelled = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = spelled.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':') : [];
  const groups = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
  if (groups.slice(0, 5).every((g) => g === '0') && groups[5] === 'ffff') {
    const bytes = Buffer.from(
      groups
        .slice(6)
        .map((g) => g.padStart(4, '0'))
        .join(''),
      'hex',
    );
    return bytes.join('.');
  }
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/**
 * The networks in which an address of `clientAddress` lies, the smallest first. Providers give one customer an IPv6 /56
 * or a /48. These have 256 or 65,536 of the networks that count as one address.
 */
export function networksOf(address: string): string[] {
  const [, head, last] = /^([\da-f]+:[\da-f]+:[\da-f]+):([\da-f]+)::\/64$/.exec(address) ?? [];
  if (!head || !last) return [address];
  const upper = (Number.parseInt(last, 16) & 0xff00).toString(16);
  return [address, `${head}:${upper}::/56`, `${head}::/48`];
}
