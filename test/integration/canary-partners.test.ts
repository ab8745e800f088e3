import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BucketServer, startBucket } from '../support/bucket-server.ts';
import { runVerb } from '../support/command-line.ts';
import { type ContractPartner, startContractPartner } from '../support/contract-partner.ts';
import { newSecret } from '../support/partner-world.ts';
import { canaryCatalog, PLANTED } from '../support/test-data.ts';
import { until } from '../support/until.ts';
import { createWorld, KEYS, type World } from '../support/world.ts';

let partner: ContractPartner;
let bucket: BucketServer;
let world: World;
let base: string;
beforeAll(async () => {
  const secret = newSecret();
  [partner, bucket] = await Promise.all([startContractPartner({ secret }), startBucket({ versions: true })]);
  const http = `{ url: "${partner.url}", canary: "${partner.canary}", secret: "env:SEARCH_SECRET" }`;
  const s3 = `{ bucket: ${bucket.bucket}, prefix: "avatars/{account}/", endpoint: "${bucket.url}", credentials: { key: "env:S3_KEY", secret: "env:S3_KEY" } }`;
  const [locations, canary] = canaryCatalog().split(/(?=^canary:)/m) as [string, string];
  world = await createWorld({
    catalog: `${locations}  - { partner: search, owner: search, http: ${http} }\n  - { partner: avatars, owner: media, s3: ${s3} }\n${canary}`,
    env: { CANARY_KEY: KEYS.write, LETHE_PRIVATE_HOSTS: '127.0.0.1', SEARCH_SECRET: secret, S3_KEY: 'S3RVER' },
  });
  base = (await world.api()).base;
});
afterAll(async () => {
  await world?.close();
  await Promise.all([partner.close(), bucket.close()]);
});

/** The newest cycle, once it has come to its end. */
const ended = () =>
  until('the newest cycle has come to its end', async () => {
    const [row] = await world.sql`
      SELECT state, findings, planted, account_key AS key, extract(epoch FROM finished_at - requested_at) AS seconds,
             finished_at IS NOT NULL AS over FROM lethe.canary ORDER BY created_at DESC, id DESC LIMIT 1`;
    return row?.over && row;
  });

it('a partner that says erased and keeps the data is found within one cycle, and nobody else is', async () => {
  await world.worker({ LETHE_CANARY_URL: base });
  const well = await ended();
  expect(well).toMatchObject({ state: 'passed', findings: [], planted: { ...PLANTED, search: 1, avatars: 1 } });
  expect([partner.count(well.key), bucket.held()]).toEqual([0, []]);

  partner.become({ wrong: 'keeps the data' });
  // The worker's next one is due an hour later: a person begins it, and the worker goes on with it, too.
  const run = await runVerb({ ...world.env, LETHE_CANARY_URL: base }, ['canary', 'run']);
  expect(run.out).toContain('FOUND search: it still has the account: still has it (200)\nFailed.\n');
  expect(run).toMatchObject({ code: 1, err: '' });
  const lied = await ended();
  expect(lied).toMatchObject({
    state: 'failed',
    findings: [{ location: 'search', words: 'it still has the account: still has it (200)' }],
    planted: { ...PLANTED, search: 1, avatars: 1 },
  });
  expect(partner.count(lied.key)).toBe(1);
  // It has until the end of `within`: 10 s, and what a busy machine takes.
  expect(Number(lied.seconds)).toBeLessThan(60);
  const [call] = await world.sql`SELECT last_words AS words FROM lethe.call WHERE partner = 'search' ORDER BY id DESC`;
  expect(call?.words).toBe('erased (200)');
}, 120_000);
