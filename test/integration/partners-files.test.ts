import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stop } from '../../dev/process.ts';
import { isAsked } from '../../src/locations/asked.ts';
import { startBucket } from '../support/bucket-server.ts';
import { checksum, ledger } from '../support/evidence.ts';
import { startFiles } from '../support/s3.ts';
import { subject } from '../support/subject.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const FILES = 2_500;
const files = await startFiles();
const bucket = await startBucket({ versions: true });
const versioned = `{ bucket: ${bucket.bucket}, endpoint: "${bucket.url}", credentials: { key: "env:FILES_KEY", secret: "env:FILES_SECRET" }, prefix: "old/{account}/" }`;
const world = await createWorld({
  env: { ...files.env, LETHE_SWEEP_CRON: '* * * * * *' },
  catalog: `${READER_CATALOG}
  - { table: media, account: account_id, owner: media }
  - { partner: avatars, owner: media, s3: ${files.s3('prefix: "avatars/{account}/", concurrency: 1, timeout: 30s')} }
  - { partner: media-files, owner: media, each: media.file_key, s3: ${files.s3('key: "uploads/{key}", timeout: 30s')} }
  - { partner: archive, owner: media, s3: ${versioned} }
`,
});
const { sql } = world;
beforeAll(() =>
  sql.unsafe(`
    CREATE TABLE media (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id bigint NOT NULL REFERENCES accounts,
      file_key text NOT NULL);
    CREATE INDEX ON media (account_id, id)`),
);
afterAll(async () => {
  await world.close();
  await Promise.all([files.destroy(), bucket.close()]);
});

/** An account and a bystander, each with so many files of all three sorts. */
async function member(count: number) {
  const of = await subject(sql, 20);
  for (const account of [of.account, of.bystander]) {
    await sql`INSERT INTO media (account_id, file_key)
      SELECT ${account}, ${account} || '-' || n % 50 || '/' || n || '.png' FROM generate_series(1, ${count}) n`;
    // s3rver reads a whole folder for each file that it deletes there.
    const names = Array.from({ length: count }, (_, n) => `${(n + 1) % 50}/${n + 1}.png`);
    files.put(names.flatMap((name) => [`avatars/${account}/${name}`, `uploads/${account}-${name}`]));
    bucket.put(...names.slice(0, 20).map((name) => `old/${account}/${name}`));
    bucket.put(...names.slice(0, 10).map((name) => `old/${account}/${name}`));
    bucket.hide(`old/${account}/1/1.png`);
  }
  // An account whose key begins like that of the other.
  files.put([`avatars/${of.account}0/1.png`, `avatars/${of.account}.png`, `uploads/${of.account}-1/1.png.bak`]);
  const others = () => [
    files.checksum(`avatars/${of.bystander}/`),
    files.checksum(`uploads/${of.bystander}-`),
    files.checksum(`avatars/${of.account}0/`),
    files.checksum(`avatars/${of.account}.png`),
    files.checksum(`uploads/${of.account}-1/1.png.bak`),
    bucket.held().filter((file) => file.startsWith(`old/${of.bystander}/`)),
  ];
  return { ...of, others };
}

const left = (account: string) => [
  files.count(`avatars/${account}/`),
  files.count(`uploads/${account}-`),
  bucket.held().filter((file) => file.startsWith(`old/${account}/`)).length,
];

async function request(of: World, account: string): Promise<string> {
  const api = await of.api();
  const { status, body } = await api('POST', `/v1/accounts/${account}/erasure`, { body: {} });
  expect(status).toBe(202);
  return body.id as string;
}
/** Throws with what is outstanding, so that a test that waits in vain says why. */
async function isCompleted(id: string): Promise<boolean> {
  if ((await stateOf(id)) === 'completed') return true;
  const tasks = await sql`SELECT location, state, last_error FROM lethe.task WHERE erasure_id = ${id}`;
  const calls =
    await sql`SELECT partner, state, cursor, attempts, last_words, next_at - now() AS next FROM lethe.call WHERE erasure_id = ${id}`;
  throw new Error(
    JSON.stringify({ state: await stateOf(id), tasks, calls, partners: await sql`SELECT * FROM lethe.partner` }),
  );
}
const stateOf = async (id: string) => (await sql`SELECT state FROM lethe.erasure WHERE id = ${id}`)[0]?.state;
const counted = async (id: string, location: string) => (await ledger(sql, id))[location] ?? 0;

describe('files in S3', () => {
  it('go with the account, though a worker is killed between two batches; nobody else loses one', async () => {
    const { account, bystander, sum, others } = await member(FILES);
    const before = others();
    const first = world.spawn(['worker']);
    const id = await request(world, account);
    await until(
      'a batch is committed',
      async () => (await counted(id, 'avatars')) >= 1_000 || (await isCompleted(id)),
      120_000,
    );
    await stop(first, 'SIGKILL');
    const halfway = await counted(id, 'avatars');
    expect([halfway < FILES, files.count(`avatars/${account}/`) <= FILES - halfway]).toEqual([true, true]);
    expect(await stateOf(id)).toBe('awaiting');
    // The killed worker had taken calls and the partner: nobody waits here until that has lapsed.
    await sql`UPDATE lethe.call SET next_at = now(), leased_until = NULL WHERE leased_until IS NOT NULL`;
    await sql`UPDATE lethe.partner SET holder = NULL, held_until = NULL`;
    await world.worker();
    await until('the erasure is completed', () => isCompleted(id), 120_000);
    // One upload of another account has a key that only begins like one of the account's.
    expect(left(account)).toEqual([0, 1, 0]);
    const gone = await ledger(sql, id);
    expect([gone.avatars, gone['media-files'], gone.archive, gone.media]).toEqual([FILES, FILES, 30, FILES]);
    expect(await checksum(sql, bystander)).toBe(sum);
    expect(others()).toEqual(before);
    const kept = await sql`SELECT FROM lethe.call WHERE erasure_id = ${id} AND sealed IS NOT NULL`;
    expect(kept.length).toBe(0);
  }, 300_000);

  it('that the bucket refuses leave the erasure awaiting, and it says why; then it is completed', async () => {
    const { account } = await member(12);
    bucket.refuse('AccessDenied', [`old/${account}/3/3.png`]);
    const id = await request(world, account);
    const words = 'it would not delete 2 files: AccessDenied (2)';
    const wordsOf = async () =>
      (await sql`SELECT last_words FROM lethe.call WHERE erasure_id = ${id} AND partner = 'archive'`)[0]?.last_words;
    await until('the bucket has refused', async () => (await wordsOf()) === words);
    expect(await stateOf(id)).toBe('awaiting');
    expect(await counted(id, 'archive')).toBe(20);
    bucket.refuse('AccessDenied', []);
    await sql`UPDATE lethe.call SET next_at = now() WHERE erasure_id = ${id} AND next_at IS NOT NULL`;
    await until('the erasure is completed', () => isCompleted(id));
    expect([left(account), await counted(id, 'archive')]).toEqual([[0, 1, 0], 22]);
  });
});

describe('a catalog with files', () => {
  it('says that a prefix is found by the key alone, and that rows name files', async () => {
    const { ctx } = await world.domain();
    const asked = ctx.catalog.locations.filter(isAsked).map(({ name, byKeyAlone, each }) => [name, byKeyAlone, each]);
    expect(asked.sort()).toEqual([
      ['archive', true, null],
      ['avatars', true, null],
      ['media-files', false, { location: 'media', column: 'file_key' }],
    ]);
  });

  it.each([
    ['s3: { bucket: app-media, prefix: "avatars/" }', 'the files of all accounts would be deleted'],
    ['s3: { bucket: app-media, prefix: "avatars/{account}" }', 'it must end in a slash'],
    ['s3: { bucket: app-media }', "say which files are the account's"],
    ['action: keep, s3: { bucket: app-media, prefix: "avatars/{account}/" }', 'files can only be deleted'],
  ])('that says %s is refused', async (entry, words) => {
    const file = join(world.folder, 'refused.yaml');
    writeFileSync(file, `${READER_CATALOG}\n  - { partner: avatars, owner: media, ${entry} }\n`);
    await expect(world.domain({ LETHE_CATALOG: file })).rejects.toThrow(words);
  });

  it('whose credentials are not set keeps a worker from starting', async () => {
    await expect(world.worker({ FILES_SECRET: '' })).rejects.toThrow(/avatars.*FILES_SECRET|FILES_SECRET.*avatars/);
  });
});
