import type { Looking, Planted, Planting } from '../asked.ts';
import type { S3 } from './declare.ts';
import { accountPart, fileKey, prefixOf } from './names.ts';
import type { Store } from './store.ts';
import { Trouble } from './troubles.ts';

/** Where the test data of an account stands: one file below the prefix, or the file that a row with the marker names. */
type Place = { readonly key: string; readonly prefix: string; readonly isAlone: boolean };

/** Pages that are looked through for what is no mark of a deletion. */
const MOST_PAGES = 100;

/**
 * Puts one file where the erasure will delete it. With `each` that is the file of a row that has the marker in its column.
 * Unable where the rows are known and none has it, or where the store lets nobody write.
 */
export async function plantFile(store: Store, s3: S3, of: Planted): Promise<Planting> {
  const place = placeOf(s3, of);
  if ('problem' in place) return { kind: 'unable', words: place.problem };
  if (place.isAlone && of.keys && !of.keys.includes(of.marker))
    return {
      kind: 'unable',
      words: 'no planted row names a file by the marker: write $marker into the column of each',
    };
  // A second version of it would be counted by the erasure as well.
  const [there] = (await store.list(place.key, false)).items;
  if (there?.key === place.key) return { kind: 'planted', items: 1, words: 'a file is there already' };
  try {
    await store.put(place.key, of.marker);
  } catch (error) {
    // Most erasures need no right to write: a store that gives none is looked into only.
    const denied = error instanceof Trouble && error.code === 'AccessDenied';
    if (denied) return { kind: 'unable', words: `${error.message}: test data needs s3:PutObject` };
    throw error;
  }
  return { kind: 'planted', items: 1, words: 'a file is there' };
}

/** Lists as the erasure does: what has only older versions is still there. */
export async function lookForFile(store: Store, s3: S3, of: Planted): Promise<Looking> {
  const place = placeOf(s3, of);
  if ('problem' in place) return { kind: 'unable', words: place.problem };
  const versions = await store.keepsVersions();
  let page = await store.list(place.prefix, versions);
  for (let pages = 1; ; pages++) {
    const isThere = page.items.some(({ key, marker }) => !marker && (!place.isAlone || key === place.key));
    if (isThere) return { kind: 'present', words: 'files are still there' };
    // The list is in the order of the keys: an exact one stands first.
    if (!page.next || (place.isAlone && page.items.some(({ key }) => key !== place.key)))
      return { kind: 'absent', words: 'no file is there' };
    if (pages >= MOST_PAGES) return { kind: 'unknown', words: 'it lists marks of deletions without an end' };
    page = await store.list(place.prefix, versions, page.next);
  }
}

function placeOf({ prefix, key: pattern = '{key}' }: S3, { account, marker }: Planted): Place | { problem: string } {
  if (prefix !== undefined) {
    const below = prefixOf(prefix, account);
    if ('problem' in below) return below;
    return { key: `${below.prefix}${marker}`, prefix: below.prefix, isAlone: false };
  }
  const part = pattern.includes('{account}') ? accountPart(account) : { part: '' };
  if ('problem' in part) return part;
  const key = fileKey(pattern, marker, part.part);
  return key === null ? { problem: 'the key of the file would be too long' } : { key, prefix: key, isAlone: true };
}
