import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Sql } from 'postgres';
import { readLedger } from '../../dev/evidence.ts';
import type { Holdings } from './holdings.ts';

type CallRow = { id: string; partner: string; state: string; settled: boolean; sealed: boolean; items: number };
type Over = { completed: Date | null; gone: Date | null };

/**
 * What must hold of each partner after the run. It has nothing of the account: not when the erasure was completed either.
 * It was told only once the account was gone, with the ids of the calls in the database. The ledger has what was settled.
 */
export async function partnersDone(
  sql: Sql,
  { id, account }: { id: string; account: string },
  holdings: readonly Holdings[],
  things: number,
): Promise<string[]> {
  const calls = await sql<CallRow[]>`
    SELECT id, partner, state, settled_at IS NOT NULL AS settled, sealed IS NOT NULL AS sealed, items::int
      FROM lethe.call WHERE erasure_id = ${id}`;
  const [over] = await sql<Over[]>`
    SELECT (SELECT max(at) FROM lethe.event WHERE erasure_id = e.id AND type = 'erasure.completed') AS completed,
           (SELECT min(at) FROM lethe.event WHERE erasure_id = e.id AND type = 'account.erased') AS gone
      FROM lethe.erasure e WHERE id = ${id}`;
  const ledger = await readLedger(sql, id);
  return [
    ...calls
      .filter((c) => !c.settled || c.state !== 'done')
      .map((c) => `the call ${c.id} of ${c.partner} is ${c.state}`),
    ...calls.filter((c) => c.sealed).map((c) => `the call ${c.id} of ${c.partner} is settled and keeps what it said`),
    ...holdings.flatMap((of) => partnerDone(of, account, { calls, over, counted: ledger[of.name] ?? 0, things })),
  ];
}

function partnerDone(
  of: Holdings,
  account: string,
  {
    calls,
    over,
    counted,
    things,
  }: { calls: readonly CallRow[]; over: Over | undefined; counted: number; things: number },
): string[] {
  const problem = (words: string) => `${of.name}, account ${account}: ${words}`;
  const own = calls.filter((c) => c.partner === of.name);
  const told = of.told.filter((t) => t.account === account);
  const ids = [...new Set(told.map((t) => t.id))];
  const strange = ids.filter((id) => !own.some((c) => c.id === id));
  const expected = of.countsThings ? things : own.reduce((sum, c) => sum + c.items, 0);
  const goneAt = of.goneAt(account);
  const completed = over?.completed?.getTime();
  const early = told.filter((t) => over?.gone && t.at < over.gone.getTime());
  return [
    ...(of.has(account) > 0 ? [problem(`${of.has(account)} things are left`)] : []),
    ...(own.length === 1 ? [] : [problem(`there are ${own.length} calls`)]),
    ...(strange.length > 0 ? [problem(`it was told with ids of no call: ${strange.join(', ')}`)] : []),
    ...(counted === expected ? [] : [problem(`the ledger says ${counted}, expected ${expected}`)]),
    ...(early.length > 0 ? [problem('it was told before the account was gone')] : []),
    ...(completed !== undefined && goneAt !== undefined && goneAt > completed
      ? [problem('the erasure was completed before its things were gone')]
      : []),
  ];
}

/** Nobody was told of a bystander, and each partner has all of it. */
export function othersKept(holdings: readonly Holdings[], others: readonly string[], things: number): string[] {
  return holdings.flatMap((of) =>
    others.flatMap((account) => [
      ...(of.has(account) === things ? [] : [`${of.name}: a bystander has ${of.has(account)} things, had ${things}`]),
      ...(of.told.some((t) => t.account === account) ? [`${of.name} was told of a bystander`] : []),
    ]),
  );
}

/** Texts that must be nowhere in Redis. Empty when all is well. */
export async function nothingInRedis(url: string, texts: readonly string[]): Promise<string[]> {
  const redis = new Redis(url, { maxRetriesPerRequest: 2, commandTimeout: 3_000 });
  redis.on('error', () => {});
  try {
    const problems: string[] = [];
    for (const key of await redis.keys('*')) {
      const content = `${key} ${JSON.stringify(await contentOf(redis, key))}`;
      for (const text of texts) if (content.includes(text)) problems.push(`Redis: ${key} has ${text}`);
    }
    return problems;
  } finally {
    redis.disconnect();
  }
}

async function contentOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1');
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return null;
  }
}

/** Texts that must be in no log of a process. */
export function nothingInLogs(folder: string, texts: readonly string[]): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.log'))
    .flatMap((file) => {
      const log = readFileSync(join(folder, file), 'utf8');
      return texts.filter((text) => log.includes(text)).map((text) => `${file} has ${text}`);
    });
}
