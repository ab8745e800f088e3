import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../src/settings/redis-address.ts';

describe('parseRedisUrl', () => {
  it.each<[string, object, string[]]>([
    ['redis://localhost', { host: 'localhost', port: 6379 }, []],
    ['redis://', { host: 'localhost', port: 6379 }, []],
    [
      'rediss://user:p%40s%2Fs@redis.example.com:6380/2',
      { host: 'redis.example.com', port: 6380, username: 'user', password: 'p@s/s', db: 2, tls: {} },
      [],
    ],
    ['redis://:s3cret@a', { host: 'a', port: 6379, password: 's3cret' }, []],
    ['redis://:p@ss:w@a', { host: 'a', port: 6379, password: 'p@ss:w' }, []],
    ['redis://[::1]:6379', { host: '::1', port: 6379 }, []],
    ['redis://a?family=0&db=3', { host: 'a', port: 6379, family: 0, db: 3 }, []],
    [
      'redis://a/4?maxRetriesPerRequest=20&ssl_cert_reqs=none',
      { host: 'a', port: 6379, db: 4 },
      ['maxRetriesPerRequest', 'ssl_cert_reqs'],
    ],
    ['unix:///run/redis.sock?db=1', { path: '/run/redis.sock', db: 1 }, []],
    ['redis+unix://:p%25@/run/redis.sock', { path: '/run/redis.sock', password: 'p%' }, []],
  ])('takes the URL of one node apart: %s', (url, options, dropped) =>
    expect(parseRedisUrl(url)).toEqual({ kind: 'node', options, dropped }),
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
  ])('refuses %s', (_, url) => expect(parseRedisUrl(url)).toEqual({ problem: expect.any(String) }));

  it.each<[string, RegExp]>([
    ['redis://user@a', /^a user without a password: write redis:\/\/user:password@host, or redis:\/\/:password@host$/],
    ['redis+cluster://user@a', /^a user without a password/],
    ['redis://:hunter2%@a', /^the password holds a % that begins no escape; .* % as %25/],
    ['redis://:hunter2/x@a', /^expected one @, behind the password; in user and password write/],
    ['redis://:hunter2#x@a', /# as %23/],
    ['redis://:hunter2?x@a', /\? as %3F/],
    ['redis://a/x', /^the database, which follows the \/, must be a number/],
    ['redis:///run/redis.sock', /a socket is written unix:\/\/\/path$/],
    ['redis://a:99999', /port from 1 to 65535/],
    ['redis://a?family=7', /^family: expected 4, 6/],
    ['redis://a?tls=true', /^tls: for TLS write rediss:\/\/$/],
    ['redis://a?password=hunter2', /^password: write redis:\/\/user:password@host$/],
    ['redis+cluster://a/1', /^a cluster has one database/],
    ['redis+sentinel://a', /^Sentinels need the name of their master/],
  ])('says in words what is wrong with %s, without a value', (url, words) => {
    const parsed = parseRedisUrl(url);
    expect(parsed).toEqual({ problem: expect.stringMatching(words) });
    expect(JSON.stringify(parsed)).not.toContain('hunter2');
  });
});
