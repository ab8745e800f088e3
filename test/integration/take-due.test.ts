import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DUE_REVOCATIONS } from '../../src/erasure/revoke/revoke-tokens.ts';
import { DUE_MAILS } from '../../src/mail/due-mails.ts';
import type { Resources } from '../../src/resources.ts';
import { MOST_TAKEN, takeDue } from '../../src/store/take-due.ts';
import { program } from '../support/program.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let domain: Resources;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
});
afterAll(() => world.close());

/** So many erasures, each with a mail and a revocation, the first the longest overdue. */
async function due(count: number): Promise<void> {
  await world.sql`TRUNCATE lethe.erasure CASCADE`;
  await world.sql`INSERT INTO lethe.erasure (id, account_key, state, mode, starts_at, due_at, catalog_digest, sign_out_at)
    SELECT gen_random_uuid(), n::text, 'scheduled', 'scheduled', now(), now(), 'd', now() - (${count} - n) * interval '1 second'
      FROM generate_series(1, ${count}) n`;
  await world.sql`INSERT INTO lethe.notification (id, erasure_id, kind, next_at)
    SELECT id, id, 'received', sign_out_at FROM lethe.erasure`;
}

/** A process of its own that waits for the word to take what is due. */
async function taker() {
  const args = [program('test/support/take-due.ts'), world.url];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return {
    begin: () => child.stdin.write('now\n'),
    got: async (): Promise<string[]> => {
      const ids = JSON.parse((await lines.next()).value as string);
      if (child.exitCode === null) await once(child, 'exit');
      return ids;
    },
  };
}

it('of two processes at once each row is given to one, and all are given', async () => {
  await due(0);
  const takers = await Promise.all([taker(), taker()]);
  const count = 10 * MOST_TAKEN;
  await due(count);
  for (const { begin } of takers) begin();
  const got = await Promise.all(takers.map((t) => t.got()));
  expect(Math.min(...got.map((ids) => ids.length))).toBeGreaterThan(0);
  expect(got.flat().length).toBe(count);
  expect(new Set(got.flat()).size).toBe(count);
}, 60_000);

describe.each([
  ['mails', DUE_MAILS, 'next_at', 'notification'],
  ['revocations', DUE_REVOCATIONS, 'sign_out_at', 'erasure'],
])('%s', (_, rows, column, table) => {
  const take = (deliver: (id: string) => Promise<boolean>) => takeDue(domain.ctx.db, rows, deliver);
  const dueNow = async () => {
    const found = await world.sql.unsafe(`SELECT id FROM lethe.${table} WHERE ${column} <= now()`);
    return found.map(({ id }) => id as string).sort();
  };
  const all = async () =>
    (await world.sql.unsafe(`SELECT id FROM lethe.${table}`)).map(({ id }) => id as string).sort();

  it('that were delivered are not due any more; they are again when nobody has settled them in a minute', async () => {
    await due(5);
    const got: string[] = [];
    expect(await take(async (id) => got.push(id) > 0)).toBe(5);
    expect(got.sort()).toEqual(await all());
    expect(await take(async () => true)).toBe(0);
    const [moved] = await world.sql.unsafe(`SELECT bool_and(${column} > now() + interval '50 seconds') AS on,
      bool_and(${column} <= now() + interval '1 minute') AS soon FROM lethe.${table}`);
    expect(moved).toEqual({ on: true, soon: true });
  });

  it('of which one does not reach Redis are due again at once, with all that come after it', async () => {
    await due(5);
    const asked: string[] = [];
    expect(await take(async (id) => asked.push(id) <= 2)).toBe(2);
    // The third was asked for, and no other.
    expect(asked.length).toBe(3);
    expect(await dueNow()).toEqual((await all()).filter((id) => !asked.slice(0, 2).includes(id)));
    expect(await take(async () => true)).toBe(3);
  });

  it('that an attempt has put off meanwhile stay put off', async () => {
    await due(3);
    let putOff = '';
    const refuse = async (id: string) => {
      putOff = id;
      await world.sql.unsafe(`UPDATE lethe.${table} SET ${column} = now() + interval '1 hour' WHERE id = $1`, [id]);
      return false;
    };
    expect(await take(refuse)).toBe(0);
    expect(await dueNow()).toEqual((await all()).filter((id) => id !== putOff));
  });

  it('are due again also when delivering them throws', async () => {
    await due(2);
    await expect(take(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await dueNow()).toEqual(await all());
  });
});
