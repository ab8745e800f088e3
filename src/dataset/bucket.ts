import { createReadStream, existsSync, type ReadStream } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import type { DeclaredDataset } from '../catalog/live/declared.ts';
import { LetheError } from '../errors.ts';
import { openClient } from '../locations/object-store/client.ts';
import { openStore } from '../locations/object-store/store.ts';
import { Trouble, troubleOf } from '../locations/object-store/troubles.ts';
import { GRACE_MS } from './clean-day.ts';
import { type Destination, dayOfPartition, type Listed, partitionOf } from './destination.ts';
import { MANIFEST } from './manifest.ts';
import type { Spooled } from './spool.ts';
import { unavailable } from './unavailable.ts';

type Tools = Parameters<typeof openClient>[1];

/** Milliseconds: a question, a file, and the pauses before a request is tried again. */
const TIMES = { askMs: 30_000, putMs: 10 * 60_000, pausesMs: [1_000, 4_000, 15_000] };
const LONGEST_PAUSE_MS = 15_000;
/** How the folders begin in which files are prepared. */
const PREPARING = 'lethe-dataset-';

/**
 * A dataset in a bucket. A file is prepared on this machine, since its name needs its checksum. Then it is sent whole: a store
 * shows nothing of an upload that breaks off. Nothing is asked of the store but to put, get, list and delete.
 */
export function openBucket(
  s3: NonNullable<DeclaredDataset['s3']>,
  tools: Tools,
  { askMs, putMs, pausesMs } = TIMES,
): Destination {
  const Bucket = s3.bucket;
  const prefix = s3.prefix ? `${s3.prefix.replace(/\/$/, '')}/` : '';
  const keyOf = (day: string, name: string) => `${prefix}${partitionOf(day)}/${name}`;
  const sdk = import('@aws-sdk/client-s3');
  let client: Promise<S3Client> | undefined;
  let folder: string | undefined;

  /** What could not be opened is opened anew: the variable may be there then. */
  const reach = (): Promise<S3Client> => {
    client ??= openClient(s3, tools);
    client.catch(() => {
      client = undefined;
    });
    return client;
  };

  /** Makes one request, again where it may succeed then. */
  async function ask<T>(
    operation: string,
    send: (client: S3Client, of: { abortSignal: AbortSignal }) => Promise<T>,
    { timeoutMs = askMs, signal }: { timeoutMs?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    for (let tries = 0; ; tries++) {
      const late = AbortSignal.timeout(timeoutMs);
      const abortSignal = signal ? AbortSignal.any([signal, late]) : late;
      try {
        return await send(await reach(), { abortSignal });
      } catch (error) {
        signal?.throwIfAborted();
        const trouble = late.aborted
          ? new Trouble(`${operation}: no answer in time`, { down: true })
          : troubleOf(operation, error);
        const pauseMs = pausesMs[tries];
        if (pauseMs === undefined || !mayPass(trouble)) throw trouble;
        await pause(Math.min(trouble.answer.afterMs ?? pauseMs, LONGEST_PAUSE_MS), undefined, signal ? { signal } : {});
      }
    }
  }

  const words = `the bucket ${Bucket}`;
  const inWords = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Trouble) throw new LetheError('dataset_unavailable', `${words}: ${error.message}`);
      throw unavailable(`the folder ${tmpdir()}, where files for ${words} are prepared`, error);
    }
  };

  /** All that is below a prefix, page by page: files, and the folders up to `Delimiter`. */
  async function list(below: string, Delimiter?: '/'): Promise<{ files: Listed[]; folders: string[] }> {
    const { ListObjectsV2Command } = await sdk;
    const files: Listed[] = [];
    const folders: string[] = [];
    for (let from: string | undefined; ; ) {
      const asked = { Bucket, Prefix: below, ContinuationToken: from, Delimiter };
      const page = await ask('ListObjectsV2', (to, by) => to.send(new ListObjectsV2Command(asked), by));
      for (const { Key = '', Size = -1, LastModified } of page.Contents ?? [])
        files.push({ name: Key.slice(below.length), bytes: Size, modifiedAt: LastModified ?? new Date() });
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) folders.push(Prefix.slice(prefix.length, -1));
      from = page.IsTruncated ? page.NextContinuationToken : undefined;
      if (from === undefined) return { files, folders };
    }
  }

  async function put(key: string, body: Buffer | Spooled, signal?: AbortSignal): Promise<void> {
    const { PutObjectCommand } = await sdk;
    const bytes = Buffer.isBuffer(body) ? body.byteLength : body.bytes;
    await ask(
      'PutObject',
      async (to, by) => {
        const asked = { Bucket, Key: key, ContentLength: bytes };
        if (Buffer.isBuffer(body)) return to.send(new PutObjectCommand({ ...asked, Body: body }), by);
        const { path, sha256 } = body;
        return reading(path, (Body) => {
          const command = new PutObjectCommand({ ...asked, Body });
          // The store refuses a file that has not arrived as it is here.
          addChecksum(command, sha256);
          return to.send(command, by);
        });
      },
      { timeoutMs: putMs, signal },
    );
  }

  return {
    words,
    listDays: () =>
      inWords(async () => {
        const { folders } = await list(`${prefix}dt=`, '/');
        return folders.flatMap((name) => dayOfPartition(name) ?? []).sort();
      }),
    listFiles: (day) => inWords(async () => (await list(keyOf(day, ''))).files),
    readManifest: (day) =>
      inWords(async () => {
        const { GetObjectCommand } = await sdk;
        const asked = { Bucket, Key: keyOf(day, MANIFEST) };
        try {
          const got = await ask('GetObject', (to, by) => to.send(new GetObjectCommand(asked), by));
          return (await got.Body?.transformToString()) ?? null;
        } catch (error) {
          if ((error as Trouble).code === 'NoSuchKey') return null;
          throw error;
        }
      }),
    preparing: () =>
      inWords(async () => {
        if (folder === undefined) await removeAbandoned();
        // Whoever tidies up the machine may have deleted what was not used for long.
        if (folder === undefined || !existsSync(folder)) folder = await mkdtemp(join(tmpdir(), PREPARING));
        return folder;
      }),
    put: (day, name, prepared, signal) =>
      inWords(async () => {
        await put(keyOf(day, name), prepared, signal);
        await rm(prepared.path, { force: true });
      }),
    writeManifest: (day, text) => inWords(() => put(keyOf(day, MANIFEST), Buffer.from(text))),
    remove: (day, names) =>
      inWords(async () => {
        const keys = new Set(names.map((name) => keyOf(day, name)));
        const signal = new AbortController().signal;
        const store = openStore({ client: await reach(), bucket: Bucket, timeoutMs: askMs, signal });
        // Where versions are kept, the keys of accounts would stay in them.
        const versions = await store.keepsVersions();
        let from: Awaited<ReturnType<typeof store.list>>['next'];
        do {
          const page = await store.list(keyOf(day, ''), versions, from);
          const gone = page.items.filter(({ key }) => keys.has(key));
          const refused = gone.length > 0 ? await store.remove(gone) : [];
          if (refused.length > 0) throw new Trouble('DeleteObjects: it refused', { down: true });
          from = page.next;
        } while (from);
      }),
    close: async () => {
      if (folder) await rm(folder, { recursive: true, force: true }).catch(() => {});
      folder = undefined;
      const opened = client;
      client = undefined;
      (await opened?.catch(() => undefined))?.destroy();
    },
  };
}

/** Opens a file for one try. Who sends it gives it up without closing it when the try fails. */
async function reading<T>(path: string, send: (stream: ReadStream) => Promise<T>): Promise<T> {
  const stream = createReadStream(path);
  const broken = new Promise<never>((_, reject) => stream.on('error', reject));
  try {
    return await Promise.race([send(stream), broken]);
  } finally {
    stream.destroy();
  }
}

/** Deletes the folders of builders that were killed: the files in them have keys of accounts. */
async function removeAbandoned(): Promise<void> {
  const names = await readdir(tmpdir());
  for (const name of names.filter((one) => /^lethe-dataset-[A-Za-z0-9]{6}$/.test(one))) {
    const path = join(tmpdir(), name);
    const found = await stat(path).catch(() => null);
    // One in which somebody prepares files is younger.
    if (found && Date.now() - found.mtimeMs > GRACE_MS)
      await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/** False for what an operator must mend. */
const mayPass = ({ status }: Trouble): boolean =>
  status === undefined || status >= 500 || status === 429 || status < 300;

/** Signs the checksum of the body, which the client would else leave out for a stream. */
function addChecksum(command: { middlewareStack: { add: (...of: never[]) => void } }, sha256: string): void {
  const add = command.middlewareStack.add as (middleware: unknown, options: object) => void;
  add.call(
    command.middlewareStack,
    (next: (args: unknown) => unknown) => (args: { request: { headers: Record<string, string> } }) => {
      args.request.headers['x-amz-content-sha256'] = sha256;
      return next(args);
    },
    { step: 'build', name: 'addChecksum' },
  );
}
