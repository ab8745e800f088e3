import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openBucket } from '../../src/dataset/bucket.ts';
import { buildDay } from '../../src/dataset/build-day.ts';
import { buildDue } from '../../src/dataset/build-due.ts';
import { dayOf } from '../../src/dataset/days.ts';
import type { Destination } from '../../src/dataset/destination.ts';
import { openFolder } from '../../src/dataset/folder.ts';
import { type Manifest, parseManifest } from '../../src/dataset/manifest.ts';
import type { Resources } from '../../src/resources.ts';
import { datasetFolder, recordErased } from '../support/dataset.ts';
import { keep } from '../support/keep.ts';
import { startFiles } from '../support/s3.ts';
import { startStoreProxy } from '../support/store-proxy.ts';
import { createWorld, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;
const day = dayOf(Date.now() - DAY_MS);
const TIMES = { askMs: 1_000, putMs: 1_000, pausesMs: [5, 5, 5] };

let world: World;
let domain: Resources;
let files: Awaited<ReturnType<typeof startFiles>>;
let proxy: Awaited<ReturnType<typeof startStoreProxy>>;
let destination: Destination;

beforeAll(async () => {
  world = await createWorld();
  domain = await world.domain();
  files = await startFiles();
  proxy = await startStoreProxy(files.url);
  await recordErased(world.sql, [
    { key: '1', at: `${day}T01:00:00Z` },
    { key: 'two "💥"\n', at: `${day}T02:00:00Z` },
  ]);
});
afterAll(async () => {
  await world.close();
  proxy.close();
  await files.destroy();
});

const openAt = (url: string) =>
  openBucket(
    {
      bucket: files.bucket,
      prefix: 'lethe/erasures/',
      endpoint: url,
      credentials: { key: 'env:FILES_KEY', secret: 'env:FILES_SECRET' },
    },
    { variable: () => 'S3RVER', privateHosts: ['127.0.0.1'] },
    TIMES,
  );

beforeEach(() => {
  proxy.heal();
  destination = keep(openAt(proxy.url), (d) => d.close());
});

const building = () => ({ db: domain.ctx.db, settings: domain.ctx.settings, destination, log: domain.ctx.log });
const build = () => buildDay(building(), day, new Date());
const there = async (): Promise<Manifest | null> => parseManifest(await destination.readManifest(day), day);
const names = async () => (await destination.listFiles(day)).map(({ name }) => name).sort();

it('has in a bucket what it has in a folder, byte for byte', async () => {
  const { manifest } = await build();
  expect(manifest).toMatchObject({ revision: 1, rows: 2 });
  expect(await names()).toEqual([...manifest.files.map(({ name }) => name), 'manifest.json'].sort());
  expect(await destination.listDays()).toEqual([day]);
  const folder = datasetFolder();
  await buildDay({ ...building(), destination: openFolder(folder.folder) }, day, new Date());
  expect(folder.manifest(day).files).toEqual(manifest.files);
  const sizes = new Map((await destination.listFiles(day)).map(({ name, bytes }) => [name, bytes]));
  for (const { name, bytes } of manifest.files) expect(sizes.get(name), name).toBe(bytes);
  // A second time nothing changes, and so the manifest is not written at all.
  const before = proxy.seen.length;
  expect((await build()).changed).toBe(false);
  expect(proxy.seen.slice(before).filter((line) => /^PUT.*manifest/.test(line))).toEqual([]);
});

it('is restated, and what nobody needs is deleted after the grace', async () => {
  const before = await there();
  await recordErased(world.sql, [{ key: 'late', at: `${day}T03:00:00Z` }]);
  await buildDue(building());
  expect(await there()).toMatchObject({ revision: 2, rows: 3, restates: { reason: 'late' } });
  expect(await names()).toEqual(expect.arrayContaining(before?.files.map(({ name }) => name) ?? ['-']));
  await destination.remove(day, before?.files.map(({ name }) => name) ?? []);
  expect(await names()).toHaveLength(3);
});

it.each(['error', 'cut', 'silence'] as const)('gets over a store that meets it with: %s', async (meets) => {
  await destination.remove(day, ['manifest.json']);
  proxy.fail('PUT', /parquet/, meets);
  proxy.fail('PUT', /manifest/, meets, 2);
  proxy.fail('GET', /list-type/, meets === 'cut' ? 'error' : meets);
  const { manifest } = await build();
  expect(await there()).toEqual(manifest);
});

it.each([
  ['error', /PUT/, /PutObject: it refused \(InternalError, 500\)/],
  ['silence', /PUT/, /PutObject: no answer in time/],
  ['html', /GET/, /no answer of S3/],
] as const)(
  'fails in words and leaves the day as it was, while the store goes on with: %s',
  async (meets, of, words) => {
    const before = await there();
    await recordErased(world.sql, [{ key: meets, at: `${day}T04:00:00Z` }]);
    if (of.source === 'PUT') proxy.fail('PUT', /part-/, meets, 99);
    else proxy.fail('GET', /list-type/, meets, 99);
    const failed = await buildDue(building()).catch((error) => error);
    expect(failed).toMatchObject({ code: 'dataset_unavailable' });
    expect(failed.message).toMatch(words);
    expect(failed.message).toContain(`the bucket ${files.bucket}`);
    proxy.heal();
    expect(await there()).toEqual(before);
    await buildDue(building());
    expect((await there())?.rows).toBe((before?.rows ?? 0) + 1);
  },
);

it('does not believe a store that loses the manifest, and builds the day again', async () => {
  const before = await there();
  await destination.remove(day, ['manifest.json']);
  proxy.fail('PUT', /manifest/, 'swallow');
  await expect(build()).rejects.toThrow(/it has lost what was written/);
  expect(await there()).toBeNull();
  await buildDue(building());
  // Whoever has seen the one that was lost sees that this one is newer.
  expect(await there()).toMatchObject({ revision: (before?.revision ?? 0) + 1, restates: { reason: 'lost' } });
});

it('says so where the store is away', async () => {
  await files.stop();
  destination = keep(openAt(files.url), (d) => d.close());
  await expect(build()).rejects.toThrow(/it cannot be reached \(ECONNREFUSED\)/);
  await files.start();
});

it('leaves nothing on the machine that it was prepared on', async () => {
  await build();
  const folder = await destination.preparing(day);
  expect(readdirSync(folder)).toEqual([]);
  await destination.close();
  expect(existsSync(folder)).toBe(false);
});
