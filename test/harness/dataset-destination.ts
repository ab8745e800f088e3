import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { S3_CREDENTIALS, startS3 } from '../../dev/s3.ts';
import type { Manifest, Partition } from './checks-watching.ts';

/** Where the dataset of a run goes. */
export type Destination = {
  /** What the catalog says of it. */
  entry: string;
  env: Readonly<Record<string, string>>;
  read: (day: string) => Partition;
  /** Days that have a manifest. */
  days: () => string[];
  /** Loses the manifest of a day. */
  loseManifest: (day: string) => void;
  /** Nothing can be written or read; returns what ends it. */
  goAway: () => Promise<() => Promise<void>>;
  close: () => Promise<void>;
};

const MANIFEST = 'manifest.json';
const PREFIX = 'lethe/erasures';

const partition = (files: ReadonlyMap<string, Buffer>): Partition => {
  const manifest = files.get(MANIFEST);
  return { manifest: manifest ? (JSON.parse(manifest.toString('utf8')) as Manifest) : null, files };
};

/** A folder. It goes away as a mount does: something else is in its place. */
export function openFolder(folder: string): Destination {
  mkdirSync(folder);
  const aside = `${folder}-aside`;
  const at = (day: string) => join(existsSync(aside) ? aside : folder, `dt=${day}`);
  return {
    entry: `folder: ${JSON.stringify(folder)}`,
    env: {},
    read: (day) => {
      const names = existsSync(at(day)) ? readdirSync(at(day)) : [];
      return partition(new Map(names.map((name) => [name, readFileSync(join(at(day), name))])));
    },
    days: () =>
      readdirSync(folder)
        .filter((name) => name.startsWith('dt=') && existsSync(join(folder, name, MANIFEST)))
        .map((name) => name.slice('dt='.length))
        .sort(),
    loseManifest: (day) => rmSync(join(at(day), MANIFEST), { force: true }),
    goAway: async () => {
      if (existsSync(aside)) return async () => {};
      renameSync(folder, aside);
      // Whoever makes the folder anew would write to a place that is gone when the mount is back.
      writeFileSync(folder, '');
      return async () => {
        rmSync(folder, { force: true, recursive: true });
        renameSync(aside, folder);
      };
    },
    close: async () => {},
  };
}

/** A bucket. It goes away as a service does: connections are refused. */
export async function openBucket(): Promise<Destination> {
  const s3 = await startS3('lethe-dataset');
  const prefixOf = (day: string) => `${PREFIX}/dt=${day}/`;
  const namesOf = (day: string) => s3.keys(prefixOf(day)).map((key) => key.slice(prefixOf(day).length));
  return {
    entry: `s3: { bucket: ${s3.bucket}, prefix: ${PREFIX}, endpoint: "${s3.url}", pathStyle: true, credentials: { key: "env:DATASET_KEY", secret: "env:DATASET_SECRET" } }`,
    env: { DATASET_KEY: S3_CREDENTIALS.accessKeyId, DATASET_SECRET: S3_CREDENTIALS.secretAccessKey },
    read: (day) => partition(new Map(namesOf(day).map((name) => [name, s3.read(`${prefixOf(day)}${name}`)]))),
    days: () =>
      s3
        .keys(`${PREFIX}/dt=`)
        .filter((key) => key.endsWith(`/${MANIFEST}`))
        .map((key) => key.slice(`${PREFIX}/dt=`.length, -`/${MANIFEST}`.length))
        .sort(),
    loseManifest: (day) => s3.lose(`${prefixOf(day)}${MANIFEST}`),
    goAway: async () => {
      await s3.stop();
      return () => s3.start();
    },
    close: s3.destroy,
  };
}
