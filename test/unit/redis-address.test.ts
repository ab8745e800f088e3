import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../src/jobs/redis-address.ts';

describe('parseRedisUrl', () => {
  it.each(['redis://localhost', 'rediss://user:p%40ss@redis.example.com:6380/2', 'redis://[::1]:6379'])(
    'leaves the URL of one node to the driver: %s',
    (url) => expect(parseRedisUrl(url)).toEqual({ kind: 'node', url }),
  );

  it('reads the nodes of a cluster', () => {
    expect(parseRedisUrl('redis+cluster://10.0.0.1:7000,redis-2,[fd00::1]:7001')).toEqual({
      kind: 'cluster',
      nodes: [
        { host: '10.0.0.1', port: 7000 },
        { host: 'redis-2', port: 6379 },
        { host: 'fd00::1', port: 7001 },
      ],
      tls: false,
    });
  });

  it('reads Sentinels, the name of their master, credentials and TLS', () => {
    expect(parseRedisUrl('rediss+sentinel://lethe:p%40s%2Cs:x@a,b:5000/my-master')).toEqual({
      kind: 'sentinel',
      sentinels: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 5000 },
      ],
      master: 'my-master',
      username: 'lethe',
      password: 'p@s,s:x',
      tls: true,
    });
    expect(parseRedisUrl('redis+cluster://:secret@a')).toMatchObject({ password: 'secret' });
    expect(parseRedisUrl('redis+cluster://:secret@a')).not.toHaveProperty('username');
  });

  it.each([
    ['nothing', ''],
    ['no scheme', 'localhost:6379'],
    ['another scheme', 'http://localhost'],
    ['several nodes without saying what they are', 'redis://a,b'],
    ['no node', 'redis+cluster://'],
    ['an empty node', 'redis+cluster://a,,b'],
    ['a port that is none', 'redis+cluster://a:http'],
    ['a port that is too high', 'redis+cluster://a:70000'],
    ['a database, which a cluster has not', 'redis+cluster://a/1'],
    ['Sentinels of an unnamed master', 'redis+sentinel://a,b'],
    ['a query', 'redis+cluster://a?x=1'],
    ['credentials in the middle', 'redis+cluster://a,u:p@b'],
    ['a broken escape', 'redis+cluster://:%zz@a'],
  ])('refuses %s', (_, url) => expect(parseRedisUrl(url)).toBeUndefined());
});
