import { type Day, parseDay } from './days.ts';
import type { Spooled } from './spool.ts';

/** A file as the destination lists it. `name`: within its partition. */
export type Listed = { readonly name: string; readonly bytes: number; readonly modifiedAt: Date };

/**
 * Where partitions are written: a folder or a bucket. Nothing of it is conditional. What is written under a name is there
 * whole or not at all. Every function throws `dataset_unavailable` in words where it cannot do it.
 */
export type Destination = {
  /** For people: `the folder /exports` or `the bucket warehouse`. */
  readonly words: string;
  /** The days that have a folder there, in order. */
  listDays(): Promise<Day[]>;
  /** The partition's files, its manifest among them; none where it has no folder. */
  listFiles(day: Day): Promise<Listed[]>;
  /** The text of the manifest; null: there is none. */
  readManifest(day: Day): Promise<string | null>;
  /** The folder of this machine in which a part of that day is prepared. */
  preparing(day: Day): Promise<string>;
  /** Puts a prepared file there under a name. Its place here is gone after that. */
  put(day: Day, name: string, prepared: Spooled, signal?: AbortSignal): Promise<void>;
  /** Replaces the manifest, in one step. */
  writeManifest(day: Day, text: string): Promise<void>;
  /** Deletes files; those that are gone already do not matter. */
  remove(day: Day, names: readonly string[]): Promise<void>;
  close(): Promise<void>;
};

/** The folder of a day, as Hive names partitions. */
export const partitionOf = (day: Day): string => `dt=${day}`;

/** The day of such a folder; undefined: it is another folder. */
export const dayOfPartition = (name: string): Day | undefined =>
  parseDay(/^dt=(.*)$/.exec(name)?.[1] ?? '') ?? undefined;
