import type { S3Client } from '@aws-sdk/client-s3';
import { fitsXml } from './names.ts';
import { Trouble, troubleOf } from './troubles.ts';

/** Keys that one request lists or deletes: S3 takes no more. */
export const MOST_KEYS = 1_000;
/** Requests about single keys that are under way at once. */
const AT_ONCE = 8;

/** A file as the store lists it. `marker`: it only says that the file was deleted, and holds nothing. */
export type Item = { readonly key: string; readonly version?: string; readonly marker?: true };
/** `next`: more can be listed from there. */
export type Page = { readonly items: readonly Item[]; readonly next?: Next };
type Next = { readonly key: string; readonly version?: string | undefined };
/** A file that the store would not delete, and its code. */
export type Refusal = { readonly item: Item; readonly code: string | null };

/** What of S3 an erasure needs, of one bucket. Each function throws a `Trouble` where the store does not do it. */
export type Store = ReturnType<typeof openStore>;

type Reach = {
  readonly client: S3Client;
  readonly bucket: string;
  /** Milliseconds for one request. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

export function openStore({ client, bucket: Bucket, timeoutMs, signal }: Reach) {
  const sdk = import('@aws-sdk/client-s3');

  /** Makes one request, and gives its errors words. */
  async function ask<T>(operation: string, send: (of: { abortSignal: AbortSignal }) => Promise<T>): Promise<T> {
    const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      return await send({ abortSignal });
    } catch (error) {
      if (abortSignal.aborted) throw new Trouble(`${operation}: no answer in time`, { down: true });
      throw troubleOf(operation, error);
    }
  }

  /** Whether deleted files leave versions behind. A store that does not know the question keeps none. */
  async function keepsVersions(): Promise<boolean> {
    const { GetBucketVersioningCommand } = await sdk;
    const asked = { Bucket };
    const known = await unlessUnknown(() =>
      ask('GetBucketVersioning', (by) => client.send(new GetBucketVersioningCommand(asked), by)),
    );
    return known?.Status !== undefined;
  }

  /** Files whose key begins with `prefix`, in the order of their keys, up to 1,000 from `from` on. */
  async function listFiles(prefix: string, from?: Next): Promise<Page> {
    const { ListObjectsV2Command } = await sdk;
    const asked = { Bucket, Prefix: prefix, EncodingType: 'url' as const, ContinuationToken: from?.key };
    const listed = await ask('ListObjectsV2', (by) => client.send(new ListObjectsV2Command(asked), by));
    const items = (listed.Contents ?? []).map(({ Key }) => ({ key: decoded(Key, listed.EncodingType) }));
    const next = listed.IsTruncated ? listed.NextContinuationToken : undefined;
    return { items: checked(items, prefix), ...(next === undefined ? {} : { next: { key: next } }) };
  }

  /** The same where a file has versions: every version, and every mark of a deletion. */
  async function listVersions(prefix: string, from?: Next): Promise<Page> {
    const { ListObjectVersionsCommand } = await sdk;
    const after = from && { KeyMarker: from.key, VersionIdMarker: from.version };
    const asked = { Bucket, Prefix: prefix, EncodingType: 'url' as const, ...after };
    const listed = await ask('ListObjectVersions', (by) => client.send(new ListObjectVersionsCommand(asked), by));
    const itemOf = ({ Key, VersionId }: { Key?: string | undefined; VersionId?: string | undefined }) => ({
      key: decoded(Key, listed.EncodingType),
      version: VersionId ?? 'null',
    });
    const items = [
      ...(listed.Versions ?? []).map(itemOf),
      ...(listed.DeleteMarkers ?? []).map((marker) => ({ ...itemOf(marker), marker: true as const })),
    ];
    const next = listed.IsTruncated
      ? { key: decoded(listed.NextKeyMarker, listed.EncodingType), version: listed.NextVersionIdMarker }
      : undefined;
    return { items: checked(items, prefix), ...(next ? { next } : {}) };
  }

  const list = (prefix: string, versions: boolean, from?: Next) =>
    versions ? listVersions(prefix, from) : listFiles(prefix, from);

  /** Deletes up to 1,000 files. Returns those that the store refused: the others are gone, or were not there. */
  async function remove(items: readonly Item[]): Promise<Refusal[]> {
    const [named, odd] = [items.filter(({ key }) => fitsXml(key)), items.filter(({ key }) => !fitsXml(key))];
    const refused = named.length > 0 ? await removeTogether(named) : [];
    return [...refused, ...(await inTurn(odd, removeAlone)).flat()];
  }

  async function removeTogether(items: readonly Item[]): Promise<Refusal[]> {
    const { DeleteObjectsCommand } = await sdk;
    const Objects = items.map(({ key, version }) => ({ Key: key, ...(version ? { VersionId: version } : {}) }));
    const asked = { Bucket, Delete: { Objects, Quiet: true } };
    const { Errors = [] } = await ask('DeleteObjects', (by) => client.send(new DeleteObjectsCommand(asked), by));
    const told = Errors.filter(({ Code }) => !isGone(Code));
    const refused = told.flatMap((error) => {
      const of = items.filter((i) => i.key === error.Key && (!error.VersionId || i.version === error.VersionId));
      return of.map((item) => ({ item, code: error.Code ?? null }));
    });
    // An error about something else may be about any of them.
    const isClear = told.every((error) => items.some(({ key }) => key === error.Key));
    return isClear ? refused : items.map((item) => ({ item, code: told[0]?.Code ?? null }));
  }

  /** For a key that the body of DeleteObjects cannot carry. */
  async function removeAlone(item: Item): Promise<Refusal[]> {
    const { DeleteObjectCommand } = await sdk;
    const asked = { Bucket, Key: item.key, ...(item.version ? { VersionId: item.version } : {}) };
    try {
      await ask('DeleteObject', (by) => client.send(new DeleteObjectCommand(asked), by));
      return [];
    } catch (error) {
      const { code, status } = error as Trouble;
      if (status === undefined || status >= 500) throw error;
      return isGone(code) ? [] : [{ item, code }];
    }
  }

  /** Ends uploads in parts below `prefix` that nobody has completed. Returns how many; `more`: it did not take them all. */
  async function endUploads(prefix: string): Promise<{ ended: number; more: boolean }> {
    const { ListMultipartUploadsCommand, AbortMultipartUploadCommand } = await sdk;
    const asked = { Bucket, Prefix: prefix, EncodingType: 'url' as const };
    const listed = await unlessUnknown(() =>
      ask('ListMultipartUploads', (by) => client.send(new ListMultipartUploadsCommand(asked), by)),
    );
    const uploads = (listed?.Uploads ?? []).map(({ Key, UploadId }) => ({
      key: decoded(Key, listed?.EncodingType),
      UploadId,
    }));
    checked(uploads, prefix);
    await inTurn(uploads, async ({ key, UploadId }) => {
      const of = { Bucket, Key: key, UploadId };
      await ask('AbortMultipartUpload', (by) => client.send(new AbortMultipartUploadCommand(of), by)).catch((error) => {
        if ((error as Trouble).code !== 'NoSuchUpload') throw error;
      });
    });
    return { ended: uploads.length, more: listed?.IsTruncated === true && uploads.length > 0 };
  }

  /** Writes one small file. */
  async function put(Key: string, Body: string): Promise<void> {
    const { PutObjectCommand } = await sdk;
    const asked = { Bucket, Key, Body, ContentType: 'text/plain' };
    await ask('PutObject', (by) => client.send(new PutObjectCommand(asked), by));
  }

  return { keepsVersions, list, remove, endUploads, put };
}

/** As a list has it: percent-encoded, where the store says so. */
function decoded(written = '', encoding = ''): string {
  if (encoding !== 'url') return written;
  try {
    return decodeURIComponent(written.replaceAll('+', ' '));
  } catch {
    throw new Trouble('its list cannot be read', { down: true });
  }
}

/** A store that lists what it was not asked for would have it deleted. */
function checked<T extends { readonly key: string }>(items: readonly T[], prefix: string): readonly T[] {
  if (items.every(({ key }) => key.startsWith(prefix))) return items;
  throw new Trouble('it lists files that it was not asked for', { down: true });
}

const isGone = (code: string | null | undefined) => code === 'NoSuchKey' || code === 'NoSuchVersion';

/** The answer, or null where the store does not have the operation. */
async function unlessUnknown<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    const { code, status } = error as Trouble;
    if (status === 501 || status === 405 || code === 'NotImplemented' || code === 'MethodNotAllowed') return null;
    throw error;
  }
}

/** Does `work` for each, a few at once. */
export async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let n = 0; n < items.length; n += AT_ONCE)
    done.push(...(await Promise.all(items.slice(n, n + AT_ONCE).map(work))));
  return done;
}
