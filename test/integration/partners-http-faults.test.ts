import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { stop } from '../../dev/process.ts';
import { UsageError } from '../../src/errors.ts';
import type { Message } from '../../src/partners/message.ts';
import { expectErased, ledger } from '../support/evidence.ts';
import { createPartnerWorld, type PartnerWorld } from '../support/partner-world.ts';
import { stateOf } from '../support/progress.ts';
import { accepted, SMALL, subject } from '../support/subject.ts';
import { until } from '../support/until.ts';

let world: PartnerWorld | undefined;
afterEach(async () => {
  await world?.close();
  world = undefined;
});

/** A world of its own, with an API that the partner reaches. */
async function open(options: Parameters<typeof createPartnerWorld>[0] = {}) {
  world = await createPartnerWorld(options);
  const call = await world.api();
  world.partner.apiBase = call.base;
  const ask = async (posts = SMALL) => {
    const of = await subject((world as PartnerWorld).sql, posts);
    return { ...of, id: (await accepted(call, of.account)).id };
  };
  return { ...world, call, ask };
}

describe('a worker', () => {
  it('that is killed between the success of the partner and its own commit: the same id again, counted once', async () => {
    const { sql, partner, spawn, calls, untilCompleted, ask } = await open();
    const { id, account, before } = await ask();
    const first = spawn(['worker']);
    let dead = false;
    partner.next(async ({ response }) => {
      // The partner has erased the account, and nobody is left to write that down.
      await stop(first, 'SIGKILL');
      dead = true;
      response.destroy();
    });
    await until('the worker is dead', () => dead);
    const [left] = await calls(id);
    expect(left).toMatchObject({ state: 'open', leased: true });
    expect(await stateOf(sql, id)).toBe('awaiting');

    // The lease of the dead ends.
    await sql`UPDATE lethe.partner SET held_until = now()`;
    await sql`UPDATE lethe.call SET leased_until = now(), next_at = now() WHERE erasure_id = ${id}`;
    spawn(['worker']);
    await untilCompleted(id);
    const asked = partner.askedFor(account);
    expect(asked.map(({ headers }) => headers['webhook-id'])).toEqual([left?.id, left?.id]);
    await expectErased(sql, account, id, { ...before, search: 1 });
    expect(await calls(id)).toHaveLength(1);
  });

  it.each([
    [{ SEARCH_SECRET_FILE: '', SEARCH_SECRET: '' }, 'SEARCH_SECRET: required by the partner search'],
    [{ SEARCH_SECRET_FILE: '', SEARCH_SECRET: 'short' }, 'search: SEARCH_SECRET: has fewer than 24 bytes'],
    [{ LETHE_PRIVATE_HOSTS: '' }, 'search: http.url: its address is private, and not in LETHE_PRIVATE_HOSTS'],
  ])('does not start with a partner that it could never ask: %j', async (env, words) => {
    const { worker } = await open();
    const refused = await worker(env as Record<string, string>).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UsageError);
    expect((refused as UsageError).problems).toContain(words);
  });

  it('ends with 2 and one line when the secret of a partner is not set', async () => {
    const { spawn } = await open();
    const child = spawn(['worker'], { SEARCH_SECRET_FILE: '', SEARCH_SECRET: '' });
    expect(await child.exited).toBe(2);
    expect(child.output()).toContain('SEARCH_SECRET: required by the partner search');
  });
});

describe('an acknowledgement', () => {
  it.each(['acknowledge_before', 'acknowledge_after'] as const)(
    'counts once when it comes around the answer to its own call: %s',
    async (behaviour) => {
      const { sql, partner, worker, untilCompleted, ask } = await open();
      partner.behave(behaviour);
      await worker();
      const { id, account, before } = await ask();
      await untilCompleted(id);
      await until('it was answered', () => partner.acknowledged.length > 0);
      expect(partner.acknowledged.map(({ status }) => status)).toEqual([expect.toBeOneOf([200, 204])]);
      await expectErased(sql, account, id, { ...before, search: 1 });
      expect(partner.askedFor(account)).toHaveLength(1);
      // Again, and again after the end.
      const [got] = partner.askedFor(account);
      const message = got?.message as Message;
      expect(await partner.acknowledge(message)).toBeOneOf([200, 204]);
      expect(await partner.acknowledge(message, { task: message.id, status: 'failed' })).toBeLessThan(500);
      expect(await stateOf(sql, id)).toBe('completed');
      expect((await ledger(sql, id)).search).toBe(1);
    },
  );

  it('of another task, or with another token, changes nothing', async () => {
    const { sql, partner, worker, calls, untilCompleted, ask } = await open();
    partner.behave('accepted');
    await worker();
    const [one, two] = [await ask(), await ask()];
    const messages = await until('both are accepted', async () => {
      const states = [...(await calls(one.id)), ...(await calls(two.id))].map(({ state }) => state);
      return (
        states.length === 2 &&
        states.every((state) => state === 'accepted') &&
        [one, two].map(({ account }) => partner.askedFor(account)[0]?.message)
      );
    });
    const [mine, theirs] = messages as [Message, Message];
    expect(
      await partner.acknowledge(mine, { task: mine.id, status: 'erased' }, theirs.data.acknowledge.token),
    ).toBeOneOf([401, 403, 404]);
    expect(await partner.acknowledge(mine, { task: theirs.id, status: 'erased' })).toBeGreaterThanOrEqual(400);
    expect(await stateOf(sql, one.id)).toBe('awaiting');
    expect(await stateOf(sql, two.id)).toBe('awaiting');
    for (const message of [mine, theirs]) expect(await partner.acknowledge(message)).toBeOneOf([200, 204]);
    for (const { id } of [one, two]) await untilCompleted(id);
  });
});

describe('a partner that is told of rows', () => {
  it('gets each key once, a thousand in a message at most, and the ledger counts the keys', async () => {
    const { sql, partner, worker, untilCompleted, ask } = await open({ entry: ', each: posts.id' });
    await worker();
    const { id, account } = await ask(2500);
    await sql`UPDATE lethe.erasure SET starts_at = now() - interval '2 minutes' WHERE id = ${id}`;
    await untilCompleted(id);
    const keys = partner.askedFor(account).map(({ message }) => message?.data.keys ?? []);
    expect(keys.every((of) => of.length <= 1000)).toBe(true);
    expect(new Set(keys.flat()).size).toBe(2500);
    expect(keys.flat()).toHaveLength(2500);
    expect((await ledger(sql, id)).search).toBe(2500);
    expect(await sql`SELECT FROM lethe.call WHERE sealed IS NOT NULL`).toHaveLength(0);
  });
});

describe('a partner whose name has a private address', () => {
  it('is sent nothing, and the call says why', async () => {
    const { partner, worker, untilWords, ask, folder, env } = await open();
    const url = partner.url.replace('http://127.0.0.1', 'https://localhost');
    const catalog = `${folder}/catalog.yaml`;
    writeFileSync(catalog, readFileSync(catalog, 'utf8').replace(partner.url, url));
    expect(env.LETHE_PRIVATE_HOSTS).toBe('127.0.0.1');
    const connections = partner.figures().connections;
    await worker();
    const { id } = await ask();
    await untilWords(id, /its host has a private address, and is not in LETHE_PRIVATE_HOSTS/);
    expect(partner.figures().connections).toBe(connections);
  });
});
