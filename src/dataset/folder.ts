import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Destination, dayOfPartition, type Listed, partitionOf } from './destination.ts';
import { MANIFEST } from './manifest.ts';
import { Spool } from './spool.ts';
import { unavailable } from './unavailable.ts';

const missing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** A dataset in a folder. Files are prepared beside their place, so that a rename puts them there in one step. */
export function openFolder(path: string): Destination {
  const root = resolve(path);
  const words = `the folder ${root}`;
  const folderOf = (day: string) => join(root, partitionOf(day));
  const inWords = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw unavailable(words, error);
    }
  };

  async function listFiles(day: string): Promise<Listed[]> {
    const names = await readdir(folderOf(day)).catch((error) => {
      if (missing(error)) return [];
      throw error;
    });
    const listed = await Promise.all(
      names.map(async (name) => {
        const found = await stat(join(folderOf(day), name)).catch((error) => {
          // Deleted since it was listed.
          if (missing(error)) return null;
          throw error;
        });
        return found?.isFile() ? [{ name, bytes: found.size, modifiedAt: found.mtime }] : [];
      }),
    );
    return listed.flat();
  }

  return {
    words,
    listDays: () =>
      inWords(async () => {
        const names = await readdir(root);
        return names.flatMap((name) => dayOfPartition(name) ?? []).sort();
      }),
    listFiles: (day) => inWords(() => listFiles(day)),
    readManifest: (day) =>
      inWords(() =>
        readFile(join(folderOf(day), MANIFEST), 'utf8').catch((error) => {
          if (missing(error)) return null;
          throw error;
        }),
      ),
    preparing: (day) =>
      inWords(async () => {
        // The folder itself must be there: one that is not mounted would be written beside it.
        await stat(root);
        await mkdir(folderOf(day)).catch((error) => {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        });
        return folderOf(day);
      }),
    put: (day, name, { path }) => inWords(() => rename(path, join(folderOf(day), name))),
    writeManifest: (day, text) =>
      inWords(async () => {
        // What the manifest names must not be lost by a crash that leaves the manifest.
        await syncFolder(folderOf(day));
        const spool = await Spool.open(folderOf(day));
        try {
          await spool.append(Buffer.from(text));
          await rename((await spool.end()).path, join(folderOf(day), MANIFEST));
        } finally {
          await spool.discard();
        }
        await syncFolder(folderOf(day));
        await syncFolder(root);
      }),
    remove: (day, names) =>
      inWords(async () => {
        for (const name of names) await rm(join(folderOf(day), name), { force: true });
      }),
    close: async () => {},
  };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
