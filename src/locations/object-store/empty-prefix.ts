import type { Answer, Call } from '../asked.ts';
import { laterFor } from './refused.ts';
import type { Item, Page, Refusal, Store } from './store.ts';

/** Pages that one try takes: a prefix of more files than that is not counted before, and is deleted in several tries. */
const MOST_PAGES = 10;
/** Files after which a try ends, so that they are committed. */
const ENOUGH = 500;

/** Marks of deletions hold nothing. */
const filesIn = (items: readonly Item[]): number => items.filter(({ marker }) => !marker).length;

/**
 * Deletes the files below a prefix, and says `done` only when a list after the last deletion is empty. Where it has come to
 * is what is left in the bucket. The cursor says how many files the ledger still has to count. They are counted before the
 * first goes: a process that dies after a deletion leaves none of them out. `until`: a time in milliseconds, after which it
 * deletes no further files.
 */
export async function emptyPrefix(
  store: Store,
  prefix: string,
  cursor: Call['cursor'],
  until: number,
): Promise<Answer> {
  const versions = await store.keepsVersions();
  const first = await store.list(prefix, versions);
  if (cursor === null && first.items.length > 0) return countFiles(store, prefix, versions, first, until);
  const [counted] = cursor ?? [];
  const owed = Number(counted ?? 0);
  const { gone, files, refused, end } = await removePages(store, prefix, versions, first, until);
  const more = (): Answer => ({
    kind: 'more',
    words: 'some files are deleted',
    rows: files,
    cursor: [String(Math.max(0, owed - files))],
  });
  if (!end || refused.length > 0) return gone > 0 ? more() : laterFor(refused);
  const uploads = await store.endUploads(prefix);
  if (uploads.more) return more();
  if (gone + uploads.ended > 0) {
    const left = await store.list(prefix, versions);
    if (left.items.length > 0 || left.next) return more();
  }
  return { kind: 'done', words: 'no file is left', rows: Math.max(files, owed) };
}

/** Counts what the ledger will have to say, before anything goes. */
async function countFiles(
  store: Store,
  prefix: string,
  versions: boolean,
  first: Page,
  until: number,
): Promise<Answer> {
  let [page, files] = [first, filesIn(first.items)];
  for (let pages = 1; page.next; pages++) {
    if (pages >= MOST_PAGES || Date.now() > until)
      return { kind: 'more', words: 'it has many files', rows: 0, cursor: ['0'] };
    page = await store.list(prefix, versions, page.next);
    files += filesIn(page.items);
  }
  return { kind: 'more', words: 'its files are counted', rows: 0, cursor: [String(files)] };
}

/** Deletes page after page. Where the store refuses much of a page, what stands behind it is not kept waiting. */
async function removePages(store: Store, prefix: string, versions: boolean, first: Page, until: number) {
  let [page, gone, files] = [first, 0, 0];
  const refused: Refusal[] = [];
  for (let pages = 1; ; pages++) {
    const kept = page.items.length > 0 ? await store.remove(page.items) : [];
    refused.push(...kept);
    gone += page.items.length - kept.length;
    files += filesIn(page.items) - filesIn(kept.map(({ item }) => item));
    const end = !page.next;
    if (end || gone >= ENOUGH || pages >= MOST_PAGES || Date.now() > until) return { gone, files, refused, end };
    page = await store.list(prefix, versions, page.next);
  }
}
