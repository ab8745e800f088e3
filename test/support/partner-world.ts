import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PartnerServer, startPartner } from './partner-server.ts';
import { until } from './until.ts';
import { createWorld, READER_CATALOG, type Sql } from './world.ts';

export const newSecret = () => `whsec_${randomBytes(32).toString('base64')}`;

/** A call as the database has it. */
export type CallRow = {
  id: string;
  state: string;
  attempts: number;
  words: string | null;
  leased: boolean;
  pass: number;
};

export type PartnerWorld = Awaited<ReturnType<typeof createPartnerWorld>>;

/**
 * A world whose catalog has the partner `search`, and the partner. Its secret lies in a file, so that it can be changed while
 * the worker runs. `http` and `entry` are added to what the catalog says of it.
 */
export async function createPartnerWorld({
  http = 'timeout: 1s, concurrency: 4',
  entry = '',
  env = {},
}: {
  http?: string;
  entry?: string;
  env?: Record<string, string>;
} = {}) {
  const secret = newSecret();
  const partner = await startPartner({ secret });
  const line = `  - { partner: search, owner: search, http: { url: "${partner.url}", secret: "env:SEARCH_SECRET", ${http} }${entry} }\n`;
  const world = await createWorld({
    catalog: `${READER_CATALOG}${line}`,
    env: { LETHE_PRIVATE_HOSTS: '127.0.0.1', SEARCH_SECRET: secret, ...env },
  });
  const file = join(world.folder, 'search-secret');
  writeFileSync(file, secret);
  world.env.SEARCH_SECRET_FILE = file;
  return {
    ...world,
    partner,
    secret,
    /** What messages are signed with from now on. */
    setSecret: (text: string) => writeFileSync(file, text),
    calls: (erasureId: string) => callsOf(world.sql, erasureId),
    hasten: () => hasten(world.sql),
    /** Waits until the partner's last answer is described so, while time passes quickly. */
    untilWords: (erasureId: string, words: RegExp) =>
      until(`a call says ${words}`, async () => {
        const [call] = await callsOf(world.sql, erasureId);
        if (call?.words && words.test(call.words)) return call;
        await hasten(world.sql);
      }),
    /** Waits until the erasure is completed, while time passes quickly. */
    untilCompleted: (erasureId: string) => untilCompleted(world.sql, erasureId),
    close: async () => {
      await world.close();
      await partner.close();
    },
  };
}

export const callsOf = (sql: Sql, erasureId: string) =>
  sql<CallRow[]>`
    SELECT id, state, attempts, last_words AS words, leased_until IS NOT NULL AS leased, pass
      FROM lethe.call WHERE erasure_id = ${erasureId} ORDER BY id`;

/** What waits for its time is due now: tries, probes, pauses. A call that is under way stays so. */
export async function hasten(sql: Sql): Promise<void> {
  await sql`UPDATE lethe.call SET next_at = now() WHERE next_at > now() AND leased_until IS NULL AND state = 'open'`;
  await sql`UPDATE lethe.partner SET probe_at = now(), paused_until = NULL
             WHERE probe_at > now() OR paused_until IS NOT NULL`;
}

export const untilCompleted = (sql: Sql, erasureId: string): Promise<unknown> =>
  until(`${erasureId} is completed`, async () => {
    const [row] = await sql`SELECT state FROM lethe.erasure WHERE id = ${erasureId}`;
    if (row?.state === 'completed') return true;
    await hasten(sql);
  });

export type { PartnerServer };
