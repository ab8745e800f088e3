import { parseRedisUrl } from './redis-address.ts';

/** Reads `LETHE_EVENTS_URL`: AMQP 0.9.1, or any address that `REDIS_URL` may have. No problem holds a value. */
export function parseEventsUrl(text: string): object | { problem: string } {
  if (!/^amqps?:/.test(text)) return parseRedisUrl(text);
  if (!URL.canParse(text)) return { problem: 'expected amqp://user:password@host:port/vhost' };
  const { hostname, username, hash } = new URL(text);
  if (hostname === '') return { problem: 'expected a host: amqp://user:password@host:port/vhost' };
  if (username === '') return { problem: 'expected a user and a password: amqp://user:password@host:port/vhost' };
  return hash === '' ? {} : { problem: 'expected an address without #: write %23 in a password' };
}
