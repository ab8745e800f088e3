import { execFileSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stop } from '../../dev/process.ts';
import { buildDay } from '../../src/dataset/build-day.ts';
import { buildDue } from '../../src/dataset/build-due.ts';
import { dayOf } from '../../src/dataset/days.ts';
import type { Destination } from '../../src/dataset/destination.ts';
import { openFolder } from '../../src/dataset/folder.ts';
import type { Manifest } from '../../src/dataset/manifest.ts';
import { readStanding } from '../../src/dataset/partitions.ts';
import { unavailable } from '../../src/dataset/unavailable.ts';
import type { Resources } from '../../src/resources.ts';
import { sanitize } from '../../src/store/sql-errors.ts';
import { mountSmallDisk } from '../harness/small-disk.ts';
import { datasetFolder, recordErased, recordMany } from '../support/dataset.ts';
import { keep } from '../support/keep.ts';
import { until } from '../support/until.ts';
import { createWorld, READER_CATALOG, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;
const day = dayOf(Date.now() - DAY_MS);
const dataset = datasetFolder();
let world: World;
let domain: Resources;

const building = (destination: Destination) => ({
  db: domain.ctx.db,
  settings: domain.ctx.settings,
  destination,
  log: domain.ctx.log,
});
const build = (destination: Destination) => buildDay(building(destination), day, new Date());

beforeAll(async () => {
  const catalog = `${READER_CATALOG}\ndataset: { owner: warehouse, folder: ${JSON.stringify(dataset.folder)} }\n`;
  world = await createWorld({ catalog });
  domain = await world.domain();
  // Written first, so that days before it are due.
  await recordErased(world.sql, [{ key: 'first', at: `${dayOf(Date.now() - 4 * DAY_MS)}T12:00:00Z` }]);
  await recordMany(world.sql, day, 25_000);
});
afterAll(async () => {
  await world.close();
  rmSync(dataset.folder, { recursive: true, force: true });
});

describe('a folder that cannot be written', () => {
  it('is full, or read-only: the run says so, and the day stays as it was', async () => {
    const disk = keep(mountSmallDisk(), async (mounted) => mounted.unmount());
    const destination = openFolder(disk.folder);
    disk.fill(200_000);
    await expect(build(destination)).rejects.toThrow(/the folder .*: the disk is full \(ENOSPC\)/);
    expect(await destination.listFiles(day)).toEqual([]);
    disk.clear();
    const { manifest } = await build(destination);
    execFileSync('mount', ['-o', 'remount,ro', disk.folder]);
    await expect(build(destination)).rejects.toThrow(/the file system is read-only \(EROFS\)/);
    expect(await destination.readManifest(day)).toBe(`${JSON.stringify(manifest, null, 2)}\n`);
  });

  it('is not there, as a mount that is missing: nothing is written in its place', async () => {
    const path = join(dataset.folder, 'not-mounted');
    await expect(build(openFolder(path))).rejects.toThrow(/dataset_unavailable: the folder .*: it does not exist/);
    expect(existsSync(path)).toBe(false);
  });
});

describe('a day that cannot be written', () => {
  const old = dayOf(Date.now() - 60 * DAY_MS);
  const due = () => buildDue(building(openFolder(dataset.folder)));

  it('keeps none of the others from being written, whether it is older or due', async () => {
    const broken = dayOf(Date.now() - 3 * DAY_MS);
    const older = dayOf(Date.now() - 50 * DAY_MS);
    await recordErased(world.sql, [{ key: 'old', at: `${older}T12:00:00Z` }]);
    await buildDay(building(openFolder(dataset.folder)), older, new Date(Date.parse(older) + DAY_MS));
    for (const of of [old, broken]) writeFileSync(dataset.of(of), 'no folder');
    // The first of them is told, and it is one that readers wait for.
    await expect(due()).rejects.toThrow(/it is not a folder \(ENOTDIR\)/);
    expect(dataset.manifest(day).rows).toBe(25_000);
    expect(dataset.manifest(older).keys).toBe(false);
    expect((await readStanding(domain.ctx.db, domain.ctx.settings)).missing).toEqual([broken]);
    rmSync(dataset.of(broken));
    await expect(due()).rejects.toThrow(/ENOTDIR/);
    expect(dataset.manifest(broken).rows).toBe(0);
    rmSync(dataset.of(old));
    expect(await due()).toMatchObject({ built: 0 });
  });

  it('is not tried for each of the others while all of them are away', async () => {
    const whole = openFolder(dataset.folder);
    let asked = 0;
    const away: Destination = {
      ...whole,
      listDays: async () => (asked > 0 ? Promise.reject(new Error('away')) : whole.listDays()),
      readManifest: async () => {
        asked++;
        throw new Error('the first');
      },
    };
    await expect(buildDue(building(away))).rejects.toThrow('the first');
    expect(asked).toBe(1);
  });
});

describe('a builder that is killed', () => {
  it.each(['preparing', 'put', 'writeManifest'] as const)('at %s leaves no day that is half there', async (step) => {
    rmSync(dataset.of(day), { recursive: true, force: true });
    const whole = openFolder(dataset.folder);
    let reached = 0;
    const killed: Destination = {
      ...whole,
      [step]: async () => {
        reached++;
        throw new Error('killed');
      },
    };
    await expect(build(killed)).rejects.toThrow('killed');
    expect(reached).toBe(1);
    expect(await whole.readManifest(day)).toBeNull();
    expect((await build(whole)).manifest).toMatchObject({ rows: 25_000, revision: expect.any(Number) });
  });

  it('by a signal, anywhere, leaves the manifest that was there, and the next one ends it', async () => {
    const before = dataset.checksums(day)['manifest.json'];
    await recordErased(world.sql, [{ key: 'late', at: `${day}T12:00:00Z` }]);
    const child = world.spawn(['dataset', 'build', '--date', day]);
    await until('it writes', () => dataset.names(day).some((name) => name.endsWith('.tmp')));
    await stop(child, 'SIGKILL');
    expect(dataset.checksums(day)['manifest.json']).toBe(before);
    await build(openFolder(dataset.folder));
    expect(dataset.manifest(day).rows).toBe(25_001);
  });
});

it('two builders at once, of which one saw fewer events, leave files and manifest that agree', async () => {
  const destination = openFolder(dataset.folder);
  let reached: () => void = () => {};
  const waiting = new Promise<void>((resolve) => {
    reached = resolve;
  });
  let go: () => void = () => {};
  const slow: Destination = {
    ...destination,
    writeManifest: async (...of) => {
      reached();
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      return destination.writeManifest(...of);
    },
  };
  await recordErased(world.sql, [{ key: 'seen by both', at: `${day}T13:00:00Z` }]);
  const first = build(slow);
  await waiting;
  await recordErased(world.sql, [{ key: 'seen by one', at: `${day}T14:00:00Z` }]);
  expect((await build(destination)).manifest.rows).toBe(25_003);
  go();
  // The slower one wins with a row less: whole, and found by its count.
  expect((await first).manifest.rows).toBe(25_002);
  expect(dataset.lines(day)).toHaveLength(25_002);
  await build(destination);
  expect(dataset.lines(day)).toHaveLength(25_003);
});

it('two builders at once, of which one is faster, never give one revision to two contents', async () => {
  const destination = openFolder(dataset.folder);
  await recordErased(world.sql, [{ key: 'seen first', at: `${day}T15:00:00Z` }]);
  let faster: Promise<Manifest> | undefined;
  const slow: Destination = {
    ...destination,
    put: async (...of) => {
      faster ??= recordErased(world.sql, [{ key: 'seen later', at: `${day}T16:00:00Z` }])
        .then(() => build(destination))
        .then(({ manifest }) => manifest);
      await faster;
      return destination.put(...of);
    },
  };
  const { manifest } = await build(slow);
  const before = await faster;
  expect(manifest.revision === before?.revision).toBe(JSON.stringify(manifest) === JSON.stringify(before));
  expect(manifest.rows).toBe(before?.rows);
});

it('tells what fails at the database as that, not as a folder that is broken', async () => {
  await world.sql`ALTER TABLE lethe.event RENAME TO away`;
  const failed = await build(openFolder(dataset.folder)).catch((error) => error);
  await world.sql`ALTER TABLE lethe.away RENAME TO event`;
  expect(sanitize(failed)).toMatchObject({ code: 'database_error' });
  const refused = Object.assign(new Error('refused'), { code: 'ENOENT', syscall: 'connect' });
  expect(unavailable('the folder', refused)).toBe(refused);
});
