import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runVerb } from '../support/command-line.ts';
import { request, run } from '../support/run-by-hand.ts';
import { SMALL, subject } from '../support/subject.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({ env: { SEARCH_SECRET: 's'.repeat(40) } });
  await world.sql.unsafe(`
    ALTER TABLE accounts ADD "stripeCustomerId" text, ADD avatar_url text, ADD api_key text;
    CREATE TABLE media (id uuid PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts, file_key text, thumb_url varchar(99),
      photo_size bigint, title text);
    CREATE INDEX ON media (account_id, id)`);
});
afterAll(() => world.close());

const CATALOG = `${READER_CATALOG}
  - { table: media, account: account_id, owner: media }
  - { partner: search, owner: discovery, http: { url: "https://search.example:8443/erasures?a=b", secret: "env:SEARCH_SECRET" }, before: media }
  - partner: billing
    owner: billing
    select: { customer: accounts.stripeCustomerId }
    request: { method: DELETE, url: "https://api.stripe.example/v1/customers/{customer}", done: 200, headers: { Authorization: "Bearer {env:STRIPE_KEY}" }, skip: when customer is null }
`;
const TOLD = '  - { partner: files, owner: media, each: media.file_key, s3: { bucket: app-media, key: "{key}" } }\n';

async function check(catalog: string, env: Record<string, string> = {}) {
  const file = join(world.folder, 'checked.yaml');
  writeFileSync(file, catalog);
  const given = { DATABASE_URL: world.url, LETHE_CATALOG: file, ...env };
  const { code, out, err } = await runVerb(given, ['catalog', 'check', '--json']);
  expect(err).toBe('');
  return {
    code,
    ...(JSON.parse(out) as { warnings: string[]; errors: string[]; possible: string[]; partners: object[] }),
    given,
  };
}

describe('lethe catalog check', () => {
  it('says whom an erasure asks, where, when, and what it tells them', async () => {
    const { code, errors, partners, given } = await check(CATALOG + TOLD);
    expect([code, errors]).toEqual([0, []]);
    expect(partners).toEqual([
      { name: 'search', owner: 'discovery', by: 'http', at: 'search.example:8443', early: true, told: [] },
      {
        name: 'billing',
        owner: 'billing',
        by: 'request',
        at: 'api.stripe.example',
        early: false,
        told: ['accounts.stripeCustomerId'],
      },
      { name: 'files', owner: 'media', by: 's3', at: 'app-media', early: false, told: ['media.file_key'] },
    ]);
    const { out } = await runVerb(given, ['catalog', 'check']);
    expect(out).toContain(
      "partner: search: asked by http (search.example:8443) before anything is deleted; told the account's key\n" +
        "partner: billing: asked by request (api.stripe.example) when the account is gone; told the account's key, accounts.stripeCustomerId\n" +
        "partner: files: asked by s3 (app-media) when the account is gone; told the account's key, media.file_key\n",
    );
  });

  it('warns of variables that are not set, and says no value of one that is', async () => {
    const { warnings, code } = await check(CATALOG, { SEARCH_SECRET: 'too short' });
    expect(code).toBe(0);
    expect(warnings).toContain('STRIPE_KEY: required by the partner billing');
    expect(warnings.join()).toMatch(/search: SEARCH_SECRET: /);
    expect(warnings.join()).not.toContain('too short');
  });

  it('looks at the address for test data, and names who has none where the catalog plants some', async () => {
    const there = CATALOG.replace('erasures?a=b"', 'erasures", canary: "http://10.0.0.1/canary"');
    expect((await check(there, { SEARCH_SECRET: 's'.repeat(40) })).warnings).toEqual(
      expect.arrayContaining([
        'search: http.canary: its address is private, and not in LETHE_PRIVATE_HOSTS',
        'search: http.canary: expected https://, or a host that is in LETHE_PRIVATE_HOSTS',
      ]),
    );
    const planted = `${TOLD}canary: { owner: privacy, every: 6h, key: "env:KEY", plant: ["INSERT INTO accounts (email) VALUES ($marker) RETURNING id"] }\n`;
    const unplanted = 'search: no test data is planted there: http.canary says where, if it takes some';
    const named = ({ possible }: { possible: string[] }) => possible.filter((words) => words.includes('test data'));
    expect(named(await check(CATALOG + planted))).toEqual([unplanted]);
    expect(named(await check(there + planted))).toEqual([]);
    expect(named(await check(CATALOG + TOLD))).toEqual([]);
  });

  it('warns of columns that seem to name what is elsewhere, until a partner is told of them or they are ignored', async () => {
    const untold = (found: { warnings: string[] }) =>
      found.warnings.filter((words) => words.includes('no partner is told'));
    const MEDIA =
      'public.media: file_key, thumb_url seem to name things that other systems keep, and no partner is told of them before the rows go: add a partner with each: media.file_key, or list each column under ignore with a reason';
    const without = CATALOG.split('  - partner: billing')[0] as string;
    expect(untold(await check(without))).toEqual([
      `public.accounts: "stripeCustomerId", avatar_url seem to name things that other systems keep, and no partner is told of them before the rows go: add a partner with select: { value: accounts."stripeCustomerId" }, or list each column under ignore with a reason`,
      MEDIA,
    ]);
    expect(untold(await check(CATALOG))).toEqual([
      'public.accounts: avatar_url seems to name something that other systems keep, and no partner is told of it before the rows go: add a partner with select: { value: accounts.avatar_url }, or list each column under ignore with a reason',
      MEDIA,
    ]);
    const ignore =
      'ignore: [{ column: media.thumb_url, reason: beside it }, { column: accounts.avatar_url, reason: by prefix }]\n';
    expect(untold(await check(CATALOG + TOLD + ignore))).toEqual([]);
  });

  it('names a column that is gone, and the one that was probably meant', async () => {
    const { code, errors } = await check(
      CATALOG.replace('accounts.stripeCustomerId', 'accounts.stripeCustomerID') + TOLD.replace('file_key', 'file'),
    );
    expect(code).toBe(1);
    expect(errors).toEqual([
      'billing: select.customer: accounts has no column stripeCustomerID: did you mean stripeCustomerId?',
      'files: each: media has no column file',
    ]);
  });
});

it('lethe plan shows partners as asked, and counts only rows', async () => {
  const { account } = await subject(world.sql, SMALL);
  const file = join(world.folder, 'planned.yaml');
  writeFileSync(file, CATALOG + TOLD);
  const env = { ...world.env, LETHE_CATALOG: file, STRIPE_KEY: 'x' };
  const { code, out } = await runVerb(env, ['plan', account, '--json']);
  expect(code).toBe(0);
  const plan = JSON.parse(out) as {
    rows: number;
    mode: string;
    locations: { name: string; when: string; rows: number | null }[];
  };
  expect([plan.rows, plan.mode]).toEqual([SMALL + 3 + 2 + 1, 'immediate']);
  expect(plan.locations.map(({ name, when, rows }) => [name, when, rows])).toEqual([
    ['search', 'first', null],
    ['media', 'start', 0],
    ['posts', 'start', SMALL],
    ['sessions', 'request', 2],
    ['feeds', 'start', 3],
    ['accounts', 'start', 1],
    ['billing', 'last', null],
    ['files', 'last', null],
  ]);
  const { out: text } = await runVerb(env, ['plan', account]);
  expect(text).toMatch(/search +discovery +delete +before all +asked/);
  expect(text).toMatch(/files +media +delete +at the end +asked/);
});

it('a catalog may list nothing but partners: the account goes, and they are asked', async () => {
  const { account } = await subject(world.sql, SMALL);
  await world.sql`DROP TABLE media, posts, feeds, sessions`;
  const [head, more] = [READER_CATALOG.split('locations:')[0], CATALOG.split('before: media }\n')[1]];
  const catalog = `${head?.replace('threshold', 'unreferenced: acknowledged, threshold')}locations:\n${more}ignore: [{ column: accounts.avatar_url, reason: gone }]\n`;
  const { code, warnings, errors } = await check(catalog, { STRIPE_KEY: 'x' });
  expect([code, warnings, errors]).toEqual([0, [], []]);
  writeFileSync(world.env.LETHE_CATALOG as string, catalog);
  const { ctx } = await world.domain();
  const id = await request(ctx, account);
  await run(ctx, id);
  const [row] = await world.sql`SELECT state FROM lethe.erasure WHERE id = ${id}`;
  expect(row?.state).toBe('awaiting');
  expect(await world.sql`SELECT 1 FROM accounts WHERE id = ${account}`).toEqual([]);
  expect(await world.sql`SELECT partner, state FROM lethe.call WHERE erasure_id = ${id}`).toMatchObject([
    { partner: 'billing', state: 'open' },
  ]);
});
