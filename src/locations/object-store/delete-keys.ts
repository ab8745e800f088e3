import type { Answer, Call } from '../asked.ts';
import { laterFor } from './refused.ts';
import { type Item, inTurn, MOST_KEYS, type Refusal, type Store } from './store.ts';
import { Trouble } from './troubles.ts';

/** Keys that are deleted at once where each is asked for its versions. */
const MOST_VERSIONED = 100;
/** Pages of versions that one file may have. */
const MOST_PAGES = 100;

/**
 * Deletes the files that rows have named. A file that is not there is as good as deleted. `keys`: null where no file can
 * have the key that the row says. Cursor: how many were tried, then the places of those that the store refused; it holds no
 * key. `until`: a time in milliseconds, after which it deletes no further files.
 */
export async function deleteKeys(
  store: Store,
  keys: readonly (string | null)[],
  cursor: Call['cursor'],
  until: number,
): Promise<Answer> {
  const versions = await store.keepsVersions();
  const [tried = 0, ...before] = (cursor ?? []).map(Number);
  const isRepeat = tried >= keys.length;
  const places = isRepeat ? before : keys.map((_, place) => place).slice(tried);
  const size = versions ? MOST_VERSIONED : MOST_KEYS;
  const left: number[] = isRepeat ? [] : [...before];
  const refused: Pick<Refusal, 'code'>[] = [];
  let [settled, at] = [0, 0];
  while (at < places.length && (at === 0 || Date.now() <= until)) {
    const some = places.slice(at, at + size);
    const kept = await removeSome(store, some, keys, versions);
    left.push(...kept.keys());
    refused.push(...[...kept.values()].map((code) => ({ code })));
    settled += some.length - kept.size;
    at += some.length;
  }
  const ahead = places.slice(at);
  if (ahead.length > 0 || (left.length > 0 && settled > 0)) {
    const next = isRepeat ? [keys.length, ...left, ...ahead] : [tried + at, ...left];
    return { kind: 'more', words: 'some files are deleted', rows: settled, cursor: next.map(String) };
  }
  if (left.length > 0) return laterFor(refused);
  return { kind: 'done', words: 'the files are deleted', rows: settled };
}

/** Deletes the files at these places. Returns the places of those that the store refused, each with its code. */
async function removeSome(
  store: Store,
  places: readonly number[],
  keys: readonly (string | null)[],
  versions: boolean,
): Promise<Map<number, string | null>> {
  const names = [...new Set(places.map((place) => keys[place]).filter((key) => key != null))];
  const items = versions
    ? (await inTurn(names, (key) => versionsOf(store, key))).flat()
    : names.map((key): Item => ({ key }));
  const codes = new Map<string, string | null>();
  for (let n = 0; n < items.length; n += MOST_KEYS)
    for (const { item, code } of await store.remove(items.slice(n, n + MOST_KEYS))) codes.set(item.key, code);
  return new Map(
    places.flatMap((place) => {
      const key = keys[place];
      return key != null && codes.has(key) ? [[place, codes.get(key) ?? null] as const] : [];
    }),
  );
}

/** All versions of exactly this key. A list by prefix goes on with longer keys, which are other files. */
async function versionsOf(store: Store, key: string): Promise<Item[]> {
  const found: Item[] = [];
  let page = await store.list(key, true);
  for (let pages = 1; ; pages++) {
    found.push(...page.items.filter((item) => item.key === key));
    if (!page.next || page.items.some((item) => item.key !== key)) return found;
    if (pages >= MOST_PAGES) throw new Trouble('it lists the versions of a file without an end', { down: false });
    page = await store.list(key, true, page.next);
  }
}
