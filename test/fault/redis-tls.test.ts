import { describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../../dev/redis.ts';
import { expectErased } from '../support/evidence.ts';
import { keep } from '../support/keep.ts';
import { stateOf } from '../support/progress.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { CERTIFICATE, tlsFlags, tlsSettings } from '../support/redis-tls.ts';
import { MASTER, startSentinel } from '../support/sentinel.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld } from '../support/world.ts';

async function startServer(more: string[] = []): Promise<{ server: RedisServer; port: number }> {
  const { port, flags } = await tlsFlags();
  return { server: keep(await startRedis({ more: [...flags, ...more] }), (server) => server.destroy()), port };
}

/** A worker, and an erasure from the command line: processes, because Node reads the authorities when it starts. */
async function erase(redisUrl: string, trusted: Record<string, string>) {
  const world = keep(await createWorld({ redisUrl, env: { LETHE_CHUNK_ROWS: '1000' } }), (w) => w.close());
  const worker = world.spawn(['worker'], trusted);
  await until('the worker works', () => worker.output().includes('"working"'), 30_000);
  const { account, before } = await subject(world.sql, 3_000);
  const asked = world.spawn(['erase', account, '--now', '--yes', '--json'], trusted);
  await asked.exited;
  return { world, worker, account, before, said: asked.output() };
}

async function expectErasedOver(redisUrl: string) {
  const { world, account, before, said } = await erase(redisUrl, { NODE_EXTRA_CA_CERTS: CERTIFICATE });
  expect(said).not.toContain('Redis cannot be reached');
  const [row] = await world.sql`SELECT id FROM lethe.erasure WHERE account_key = ${account}`;
  await until('it is completed', async () => (await stateOf(world.sql, row?.id)) === 'completed', 30_000);
  await expectErased(world.sql, account, row?.id, before);
}

describe('Redis over TLS', () => {
  it('one server', async () => {
    const { port } = await startServer();
    await expectErasedOver(`rediss://127.0.0.1:${port}`);
  }, 120_000);

  it('a cluster', async () => {
    const nodes = await Promise.all([tlsFlags(), tlsFlags(), tlsFlags()]);
    const cluster = keep(await startRedisCluster(nodes.map(({ flags }) => [...flags, '--tls-cluster', 'yes'])), (c) =>
      c.destroy(),
    );
    const login = cluster.url.slice('redis+cluster://'.length).split('@')[0];
    await expectErasedOver(`rediss+cluster://${login}@${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`);
  }, 120_000);

  it('Sentinels', async () => {
    const master = await startServer();
    await startServer(['--replicaof', '127.0.0.1', String(master.port)]);
    const { port } = await tlsFlags();
    const watching = { masterPort: master.port, more: tlsSettings(port) };
    keep(await startSentinel(master.server, watching), (sentinel) => sentinel.destroy());
    await expectErasedOver(`rediss+sentinel://127.0.0.1:${port}/${MASTER}`);
  }, 120_000);

  it('a server whose authority is not trusted is not talked to, and both processes say why', async () => {
    const { port } = await startServer();
    const { worker, said } = await erase(`rediss://127.0.0.1:${port}`, {});
    expect(said).toContain('Redis cannot be reached');
    await until('the worker says why', () => /SELF_SIGNED_CERT|self-signed certificate/i.test(worker.output()), 10_000);
  }, 120_000);
});
