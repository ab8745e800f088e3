import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SNIPPETS } from '../support/snippets.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

let world: World;
let api: Awaited<ReturnType<World['api']>>;
let redis: Redis;
beforeAll(async () => {
  const catalog = `${READER_CATALOG}  - { partner: search, owner: search, event: {} }\n`;
  world = await createWorld({ catalog });
  redis = new Redis(world.env.REDIS_URL as string);
  api = await world.api();
});
afterAll(async () => {
  redis?.disconnect();
  await world?.close();
});
const erase = async () => {
  const [row] = await world.sql<{ id: string }[]>`
    INSERT INTO accounts (email) VALUES (${`page-${Math.random()}@example.com`}) RETURNING id::text`;
  const { body } = await api('POST', `/v1/accounts/${row?.id}/erasure`);
  return { account: row?.id as string, id: body.id as string };
};

describe('docs/events.md', () => {
  it('has the columns that the outbox event router documents, for what is not acknowledged', async () => {
    const columns = await world.sql`
      SELECT column_name, data_type, character_maximum_length AS most FROM information_schema.columns
       WHERE table_schema = 'lethe' AND table_name = 'outbox' ORDER BY ordinal_position`;
    const text = { data_type: 'character varying', most: 255 };
    expect([...columns]).toEqual([
      { column_name: 'id', data_type: 'uuid', most: null },
      { column_name: 'aggregatetype', ...text },
      { column_name: 'aggregateid', ...text },
      { column_name: 'type', ...text },
      { column_name: 'payload', data_type: 'jsonb', most: null },
    ]);
    const { account, id } = await erase();
    await world.worker({ LETHE_PUBLIC_URL: api.base });
    const row = await until('it is asked', async () => {
      const [first] = await world.sql`SELECT * FROM lethe.outbox WHERE aggregateid = ${id}`;
      return first;
    });
    expect(row).toMatchObject({ aggregatetype: 'search', type: 'lethe.erasure.requested' });
    expect(row.payload).toMatchObject({
      id: row?.id,
      data: { task: row.id, accountKey: account, partner: 'search' },
    });
    expect(JSON.stringify(row.payload)).not.toContain('token');
    await world.sql`UPDATE lethe.erasure SET held_at = now() WHERE id = ${id}`;
    expect(await world.sql`SELECT FROM lethe.outbox WHERE aggregateid = ${id}`).toHaveLength(0);
    await world.sql`UPDATE lethe.erasure SET held_at = NULL WHERE id = ${id}`;
  });

  it('has a whole partner in redis-cli and curl, which completes erasures', async () => {
    const [script] = SNIPPETS.filter(({ file, text }) => file === 'docs/events.md' && text.startsWith('while '));
    const erased = join(world.folder, 'erased');
    writeFileSync(join(world.folder, 'erase'), `#!/bin/sh\necho "$1" >> ${erased}\n`);
    chmodSync(join(world.folder, 'erase'), 0o755);
    const { port } = new URL(world.env.REDIS_URL as string);
    const functions = `curl() { "${process.execPath}" "${resolve('test/support/curl.mjs')}" "$@"; }
      rcli() { redis-cli -p ${port} "$@"; }`;
    const text = String(script?.text)
      .replaceAll('{lethe}', world.env.LETHE_REDIS_PREFIX as string)
      .replaceAll('redis-cli', 'rcli');
    const shell = spawn('sh', ['-c', `${functions}\n${text}`], { cwd: world.folder, detached: true });
    try {
      const { id, account } = await erase();
      await until('it is completed', async () => {
        const [row] = await world.sql`SELECT state FROM lethe.erasure WHERE id = ${id}`;
        return row?.state === 'completed';
      });
      expect(readFileSync(erased, 'utf8').split('\n')).toContain(account);
      const stream = `${world.env.LETHE_REDIS_PREFIX}:events`;
      await until('nothing is pending', async () => ((await redis.xpending(stream, 'search')) as unknown[])[0] === 0);
    } finally {
      process.kill(-(shell.pid as number), 'SIGKILL');
    }
  });
});
