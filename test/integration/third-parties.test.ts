import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAsked } from '../../src/locations/asked.ts';
import { byHand } from '../support/partners-by-hand.ts';
import { request } from '../support/run-by-hand.ts';
import { SNIPPETS } from '../support/snippets.ts';
import { auth0 } from '../support/third-parties/auth0.ts';
import { mailchimp } from '../support/third-parties/mailchimp.ts';
import { mixpanel } from '../support/third-parties/mixpanel.ts';
import { segment } from '../support/third-parties/segment.ts';
import { type Running, type Service, startService } from '../support/third-parties/service.ts';
import { stripe } from '../support/third-parties/stripe.ts';
import { createWorld, type World } from '../support/world.ts';

const PAGE = 'docs/third-parties.md';
const examples = SNIPPETS.filter(({ file, language }) => file === PAGE && language === 'yaml').map(({ text }) => text);

const SCHEMA = `
  DROP TABLE posts CASCADE;
  CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL, stripe_customer_id text, auth0_id text);
  CREATE TABLE posts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);
  CREATE INDEX ON posts (user_id, id);`;

let people = 0;

type Case = {
  service: () => Service;
  /** By what the service finds the person whose row has this id and this number. */
  who: (id: string, n: number) => string;
  /** What the person's row has besides. */
  columns: (n: number) => { email?: string; stripe_customer_id?: string; auth0_id?: string };
};

const CASES: Record<string, Case> = {
  Stripe: {
    service: stripe,
    who: (_, n) => `cus_NffrFeUfNV2Hi${n}`,
    columns: (n) => ({ stripe_customer_id: `cus_NffrFeUfNV2Hi${n}` }),
  },
  Mailchimp: {
    service: mailchimp,
    who: (_, n) => `Ann.O'Hara+${n}@Example.com`,
    columns: (n) => ({ email: `Ann.O'Hara+${n}@Example.com` }),
  },
  Mixpanel: { service: mixpanel, who: (id) => id, columns: () => ({}) },
  Segment: { service: segment, who: (id) => id, columns: () => ({}) },
  Auth0: {
    service: auth0,
    who: (_, n) => `auth0|5f7c8ec7c33c6c004bbafe8${n}`,
    columns: (n) => ({ auth0_id: `auth0|5f7c8ec7c33c6c004bbafe8${n}` }),
  },
};

it('each example of the page is of a service that is here', () => {
  const origins = Object.values(CASES).map(({ service }) => service().origin);
  expect(examples.length).toBe(origins.length);
  for (const [n, example] of examples.entries()) expect(example).toContain(origins[n]);
  expect(readFileSync(PAGE, 'utf8')).toContain('test/integration/third-parties.test.ts');
});

describe.each(Object.entries(CASES))('%s', (_name, { service, who, columns }) => {
  let running: Running;
  let world: World;
  let hand: ReturnType<typeof byHand>;
  let ctx: Parameters<typeof byHand>[1];

  beforeAll(async () => {
    running = await startService(service());
    const example = examples.find((text) => text.includes(running.service.origin)) as string;
    world = await createWorld({ catalog: running.moved(example), env: { ...running.service.env } });
    await world.sql.unsafe(SCHEMA);
    ({ ctx } = await world.domain());
    hand = byHand(world, ctx);
  });
  afterAll(async () => {
    await hand?.close();
    await world?.close();
    await running?.close();
  });

  /** A person with a row, of whom the service knows. */
  async function person(known = true): Promise<{ id: string; name: string }> {
    const n = ++people;
    const row = { email: `${n}@example.com`, ...columns(n) };
    const [made] = await world.sql<{ id: string }[]>`INSERT INTO users ${world.sql(row)} RETURNING id::text`;
    const id = made?.id as string;
    await world.sql`INSERT INTO posts (user_id) VALUES (${id})`;
    const name = who(id, n);
    if (known) running.service.add(name);
    return { id, name };
  }

  /** Rounds until the erasure is at its end. */
  async function finish(erasure: string): Promise<number> {
    for (let rounds = 1; rounds < 10; rounds++) {
      if ((await hand.round(erasure)) === 'completed') return rounds;
      running.service.work?.();
      await hand.elapse();
    }
    throw new Error(`no end: ${(await hand.calls(erasure)).map((call) => call.last_words).join('; ')}`);
  }

  const deleted = async (erasure: string) => {
    const partner = ctx.catalog.locations.find(isAsked)?.name as string;
    const [row] = await world.sql`
      SELECT sum(rows_deleted)::int AS rows FROM lethe.chunk c JOIN lethe.task t ON t.id = c.task_id
       WHERE t.erasure_id = ${erasure} AND t.location = ${partner}`;
    return row?.rows;
  };

  it('deletes a person, and nobody else', async () => {
    const [somebody, other] = [await person(), await person()];
    const erasure = await request(ctx, somebody.id);
    await finish(erasure);
    expect(running.service.has(somebody.name)).toBe(false);
    expect(running.service.has(other.name)).toBe(true);
    expect(await deleted(erasure)).toBe(1);
    const [call] = await hand.calls(erasure);
    expect(call).toMatchObject({ state: 'done', sealed: null });
  });

  it('has no person that it never knew', async () => {
    const erasure = await request(ctx, (await person(false)).id);
    await finish(erasure);
  });

  it('is asked again when it has refused the credential, and the words say so', async () => {
    const { id, name } = await person();
    const erasure = await request(ctx, id);
    running.next({ status: 401, body: { error: `wrong key for ${name}` } });
    await hand.round(erasure);
    const [call] = await hand.calls(erasure);
    expect(call).toMatchObject({ state: 'open', attempts: 1, last_words: 'answered 401: it refused the credential' });
    await hand.elapse();
    await finish(erasure);
    expect(running.service.has(name)).toBe(false);
  });

  it('is left alone for as long as it says, where it limits requests', async () => {
    const { id, name } = await person();
    const erasure = await request(ctx, id);
    const reset = String(Math.ceil(Date.now() / 1000) + 600);
    running.next({ status: 429, body: {}, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset } });
    await hand.round(erasure);
    const [call] = await hand.calls(erasure);
    expect(call?.last_words).toBe('answered 429: too many requests');
    expect(call?.due_in).toBeGreaterThan(500);
    expect(running.service.has(name)).toBe(true);
    await hand.elapse();
    await finish(erasure);
  });

  it('has not deleted anybody because it answers 404, or a page, to everything', async () => {
    const { id, name } = await person();
    const erasure = await request(ctx, id);
    running.next({ status: 404, body: { message: 'no such route' } }, { status: 200, body: '<!DOCTYPE html><p>Hello' });
    for (const words of [/^answered 404/, /^answered 200 with a page in HTML$/]) {
      expect(await hand.round(erasure)).toBe('awaiting');
      const [call] = await hand.calls(erasure);
      expect(call?.last_words).toMatch(words);
      expect(call?.last_words).not.toContain(name);
      await hand.elapse();
    }
    await finish(erasure);
    expect(running.service.has(name)).toBe(false);
  });
});
