import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openBucket } from '../../src/dataset/bucket.ts';
import { buildDay } from '../../src/dataset/build-day.ts';
import { buildDue } from '../../src/dataset/build-due.ts';
import { cleanDay } from '../../src/dataset/clean-day.ts';
import { dayOf } from '../../src/dataset/days.ts';
import type { Destination } from '../../src/dataset/destination.ts';
import { openFolder } from '../../src/dataset/folder.ts';
import { type Manifest, parseManifest } from '../../src/dataset/manifest.ts';
import { Spool } from '../../src/dataset/spool.ts';
import type { Resources } from '../../src/resources.ts';
import { startBucket } from '../support/bucket-server.ts';
import { datasetFolder, recordErased } from '../support/dataset.ts';
import { keep } from '../support/keep.ts';
import { startFiles } from '../support/s3.ts';
import { startStoreProxy } from '../support/store-proxy.ts';
import { until } from '../support/until.ts';
import { createWorld, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const day = dayOf(Date.now() - DAY_MS);
const TIMES = { askMs: 1_000, putMs: 1_000, pausesMs: [5, 5, 5] };

let world: World;
let domain: Resources;
let files: Awaited<ReturnType<typeof startFiles>>;
let proxy: Awaited<ReturnType<typeof startStoreProxy>>;
let destination: Destination;

/** Where a link leads; empty for one that is gone. */
function readlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

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

const openAt = (url: string, bucket = files.bucket) =>
  openBucket(
    {
      bucket,
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
/** As if all of it had been written so long ago that nobody reads what was replaced. */
const aged = (of: Destination): Destination => ({
  ...of,
  listFiles: async (day) =>
    (await of.listFiles(day)).map((file) => ({
      ...file,
      modifiedAt: new Date(file.modifiedAt.getTime() - 21 * HOUR_MS),
    })),
});
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
  await buildDue({ ...building(), destination: aged(destination) });
  expect(await names()).toEqual([...((await there())?.files ?? []).map(({ name }) => name), 'manifest.json'].sort());
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
  // A file that was sent in vain is not kept open: its place on the disk would not be free again.
  const spool = await Spool.open(await destination.preparing(day));
  await spool.append(Buffer.alloc(1_000_000));
  await expect(destination.put(day, 'part', await spool.end())).rejects.toThrow(/ECONNREFUSED/);
  await spool.discard();
  const open = () => readdirSync('/proc/self/fd').map((fd) => readlink(`/proc/self/fd/${fd}`));
  await until('it is closed', () => !open().some((path) => path.includes('/lethe-dataset-')));
  await files.start();
});

it('deletes what a killed builder has left on the machine, and goes on where its own folder was deleted', async () => {
  const made = () => mkdtempSync(join(tmpdir(), 'lethe-dataset-'));
  const [abandoned, used] = [made(), keep(made(), async (path) => rmSync(path, { recursive: true }))];
  writeFileSync(join(abandoned, 'with keys'), '1');
  const old = new Date(Date.now() - 21 * HOUR_MS);
  utimesSync(abandoned, old, old);
  const folder = await destination.preparing(day);
  expect([abandoned, used].map((path) => existsSync(path))).toEqual([false, true]);
  rmSync(folder, { recursive: true });
  await build();
});

it('leaves no version of a file with keys', async () => {
  const bucket = keep(await startBucket({ versions: true }), (server) => server.close());
  const name = 'part-00000-0123456789abcdef.parquet';
  const of = `lethe/erasures/dt=${day}`;
  bucket.put(`${of}/${name}`, `${of}/${name}`, `${of}/other`);
  bucket.hide(`${of}/${name}`);
  destination = keep(openAt(bucket.url, bucket.bucket), (d) => d.close());
  const listed = [{ name, bytes: 1, modifiedAt: new Date(Date.now() - 21 * HOUR_MS) }];
  await cleanDay(destination, day, { listed, text: null, manifest: null });
  expect(bucket.keys()).toEqual([`${of}/other`]);
});

it('leaves nothing on the machine that it was prepared on', async () => {
  await build();
  const folder = await destination.preparing(day);
  expect(readdirSync(folder)).toEqual([]);
  await destination.close();
  expect(existsSync(folder)).toBe(false);
});
