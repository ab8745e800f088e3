import type { Database } from '../store/client.ts';
import { breathe } from './breathe.ts';
import type { Day, Kept } from './days.ts';
import type { Destination } from './destination.ts';
import type { PartFile } from './manifest.ts';
import { beginParquet } from './parquet.ts';
import { printLines } from './print-lines.ts';
import { PAGE_ROWS, type Page, readDay } from './read-day.ts';
import { Spool } from './spool.ts';
import { unavailable } from './unavailable.ts';

/** Rows of one file at most: a whole number of pages, so that groups are the same whoever builds. */
export const PART_ROWS = 100 * PAGE_ROWS;

/** A part that is being written, in both formats. */
type Part = {
  readonly rows: () => number;
  append(page: Page): Promise<void>;
  /** Puts both files where they belong, under names that have their checksums. */
  settle(number: number): Promise<PartFile[]>;
  discard(): Promise<void>;
};

async function beginPart(destination: Destination, day: Day, signal: AbortSignal | undefined): Promise<Part> {
  const folder = await destination.preparing(day);
  const parquet = beginParquet();
  // What fails at the database is none of the destination's.
  const inWords = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error) => {
      throw unavailable(destination.words, error);
    });
  const columns = await inWords(Spool.open(folder));
  const lines = await inWords(Spool.open(folder));
  let rows = 0;

  async function put(spool: Spool, number: number, format: PartFile['format']): Promise<PartFile> {
    const prepared = await inWords(spool.end());
    const { bytes, sha256 } = prepared;
    const name = `part-${String(number).padStart(5, '0')}-${sha256.slice(0, 16)}.${format}`;
    await destination.put(day, name, prepared, signal);
    return { name, format, rows, bytes, sha256 };
  }

  return {
    rows: () => rows,
    append: async (page) => {
      await inWords(columns.append(await parquet.append(page)));
      const printed = printLines(page);
      await breathe();
      await inWords(lines.append(printed));
      rows += page.rows;
    },
    settle: async (number) => {
      await inWords(columns.append(parquet.end()));
      return [await put(columns, number, 'parquet'), await put(lines, number, 'ndjson')];
    },
    discard: async () => {
      await columns.discard();
      await lines.discard();
    },
  };
}

/**
 * Writes the files of a day in both formats, and puts them there. The next part is written while the one before it gets to its
 * place. What was not put there is removed when it fails.
 */
export async function writeParts(
  db: Database,
  destination: Destination,
  { day, kept, signal }: { day: Day; kept: Kept; signal?: AbortSignal | undefined },
): Promise<PartFile[]> {
  const files: PartFile[] = [];
  let settled: Promise<unknown> = Promise.resolve();
  let part: Part | undefined;
  let number = 0;

  const settle = async (full: Part): Promise<void> => {
    await settled;
    const settling = full
      .settle(number++)
      .then((put) => files.push(...put))
      .finally(() => full.discard());
    // It is awaited before the next one; until then it must not end the process.
    settling.catch(() => {});
    settled = settling;
  };

  try {
    for await (const page of readDay(db, day, kept, signal)) {
      part ??= await beginPart(destination, day, signal);
      await part.append(page);
      if (part.rows() < PART_ROWS) continue;
      await settle(part);
      part = undefined;
    }
    if (part) await settle(part);
    part = undefined;
    await settled;
    return files;
  } finally {
    await part?.discard();
    await settled.catch(() => {});
  }
}
