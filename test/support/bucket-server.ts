import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What one request can be made to meet instead of an answer. */
export type Fault =
  | { code: string; status: number; headers?: Record<string, string> }
  /** Takes the request and never answers; or begins an answer that stops, or never ends. */
  | 'silence'
  | 'half_an_answer'
  | 'endless_answer'
  /** HTML from something in between, with status 200. */
  | 'html'
  | 'reset';

type Version = { key: string; id: string; marker: boolean };
export type BucketServer = Awaited<ReturnType<typeof startBucket>>;

const escaped = (value: string) =>
  value
    .replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
    .replace(/[\r\n]/g, (char) => `&#${char.charCodeAt(0)};`);
const unescaped = (value: string) =>
  value
    .replace(/&#x([0-9a-f]+);/gi, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
    .replace(/&#(\d+);/g, (_, decimal: string) => String.fromCodePoint(Number(decimal)))
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&apos;/g, "'")
    .replace(/&amp;/g, '&');
/** As S3 writes keys in lists with encoding-type=url. */
const urlEncoded = (key: string) => encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+');
const byKey = (a: { key: string }, b: { key: string }) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));

/**
 * One bucket in memory that speaks S3 by path, for what s3rver cannot do. It has versions, and refuses keys; its answers are
 * wrong, late or none. It does not look at signatures. It writes its own XML, after
 * https://docs.aws.amazon.com/AmazonS3/latest/API/.
 */
export async function startBucket({ versions = false, pageSize = 1_000 } = {}) {
  const name = 'app-media';
  /** Newest first, for each key. */
  let held: Version[] = [];
  let uploads: { key: string; id: string }[] = [];
  const requests: { operation: string; keys: string[] }[] = [];
  const refused = new Map<string, string>();
  const faults: { operation: string | null; fault: Fault }[] = [];
  const missing = new Set<string>();
  let denied = false;
  let ignoring = false;
  let made = 0;
  let after: ((operation: string) => void) | undefined;

  const put = (...keys: string[]) => {
    for (const key of keys) {
      if (!versions) held = held.filter((v) => v.key !== key);
      held.unshift({ key, id: versions ? `v${++made}` : 'null', marker: false });
    }
  };
  /** As an application deletes: where the bucket has versions, a marker hides the others. */
  const hide = (key: string) => held.unshift({ key, id: `v${++made}`, marker: true });

  function remove(key: string, id: string | undefined): string | undefined {
    const code = refused.get(key);
    if (code) return code;
    if (id === undefined && versions) hide(key);
    else held = held.filter((v) => v.key !== key || (id !== undefined && v.id !== id));
    return undefined;
  }

  const page = <T extends { key: string }>(all: T[], isAfter: (item: T) => boolean) => {
    const rest = all.filter(isAfter);
    return { items: rest.slice(0, pageSize), more: rest.length > pageSize };
  };

  function list(query: URLSearchParams): string {
    const prefix = ignoring ? '' : (query.get('prefix') ?? '');
    const from = query.get('continuation-token');
    const latest = held.filter((v, n) => held.findIndex((w) => w.key === v.key) === n && !v.marker);
    const all = latest.filter(({ key }) => key.startsWith(prefix)).sort(byKey);
    const { items, more } = page(all, (v) => from === null || byKey(v, { key: from }) > 0);
    const next = more ? `<NextContinuationToken>${escaped(items.at(-1)?.key as string)}</NextContinuationToken>` : '';
    const contents = items.map(
      ({ key }) => `<Contents><Key>${escaped(urlEncoded(key))}</Key><Size>1</Size></Contents>`,
    );
    return `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>${next}${contents.join('')}</ListBucketResult>`;
  }

  function listVersions(query: URLSearchParams): string {
    const prefix = query.get('prefix') ?? '';
    const all = held.filter(({ key }) => key.startsWith(prefix));
    const order = new Map(all.map((v, n) => [v, n]));
    const place = (v: Version) => order.get(v) as number;
    all.sort((a, b) => byKey(a, b) || place(a) - place(b));
    const [key, id] = [query.get('key-marker'), query.get('version-id-marker')];
    const at = all.findIndex((v) => v.key === key && v.id === id);
    const isAfter = (v: Version) => key === null || (at >= 0 ? all.indexOf(v) > at : byKey(v, { key }) > 0);
    const { items, more } = page(all, isAfter);
    const last = items.at(-1);
    const next = more
      ? `<NextKeyMarker>${escaped(urlEncoded(last?.key as string))}</NextKeyMarker><NextVersionIdMarker>${last?.id}</NextVersionIdMarker>`
      : '';
    const written = items.map((v) => {
      const tag = v.marker ? 'DeleteMarker' : 'Version';
      return `<${tag}><Key>${escaped(urlEncoded(v.key))}</Key><VersionId>${v.id}</VersionId></${tag}>`;
    });
    return `<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>${more}</IsTruncated>${next}${written.join('')}</ListVersionsResult>`;
  }

  function deleteMany(objects: { key: string; id: string | undefined }[]): string {
    const errors = objects.flatMap(({ key, id }) => {
      const code = remove(key, id);
      const version = id === undefined ? '' : `<VersionId>${id}</VersionId>`;
      return code
        ? [`<Error><Key>${escaped(key)}</Key>${version}<Code>${code}</Code><Message>${escaped(key)}</Message></Error>`]
        : [];
    });
    return `<DeleteResult>${errors.join('')}</DeleteResult>`;
  }

  const listUploads = (query: URLSearchParams) => {
    const of = uploads.filter(({ key }) => key.startsWith(query.get('prefix') ?? ''));
    const some = of.slice(0, pageSize);
    const written = some.map(
      ({ key, id }) => `<Upload><Key>${escaped(urlEncoded(key))}</Key><UploadId>${id}</UploadId></Upload>`,
    );
    return `<ListMultipartUploadsResult><EncodingType>url</EncodingType><IsTruncated>${of.length > pageSize}</IsTruncated>${written.join('')}</ListMultipartUploadsResult>`;
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://bucket');
    const [, bucket = '', ...rest] = url.pathname.split('/');
    const key = decodeURIComponent(rest.join('/'));
    const query = url.searchParams;
    const body = await text(request);
    const objects = [...body.matchAll(/<Object>(.*?)<\/Object>/gs)].map(([, object = '']) => ({
      key: unescaped(/<Key>(.*?)<\/Key>/s.exec(object)?.[1] ?? ''),
      id: /<VersionId>(.*?)<\/VersionId>/.exec(object)?.[1],
    }));
    const operation = operationOf(request.method, query, key);
    requests.push({ operation, keys: key === '' ? objects.map((o) => o.key) : [key] });
    const at = faults.findIndex((f) => f.operation === null || f.operation === operation);
    const [met] = at < 0 ? [] : faults.splice(at, 1);
    if (met) return fail(response, met.fault);
    if (denied) return problem(response, 403, 'AccessDenied');
    if (bucket !== name) return problem(response, 404, 'NoSuchBucket');
    if (missing.has(operation)) return problem(response, 501, 'NotImplemented');
    if (operation === 'DeleteObjects' && !request.headers['content-md5'])
      return problem(response, 400, 'MissingContentMD5');
    const answers: Record<string, () => string> = {
      GetBucketVersioning: () =>
        `<VersioningConfiguration>${versions ? '<Status>Enabled</Status>' : ''}</VersioningConfiguration>`,
      ListObjectsV2: () => list(query),
      ListObjectVersions: () => listVersions(query),
      ListMultipartUploads: () => listUploads(query),
      DeleteObjects: () => deleteMany(objects),
    };
    const answer = answers[operation];
    if (answer) {
      response.writeHead(200, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?>${answer()}`);
    } else if (operation === 'AbortMultipartUpload') {
      uploads = uploads.filter(({ id }) => id !== query.get('uploadId'));
      response.writeHead(204).end();
    } else if (operation === 'PutObject') {
      put(key);
      response.writeHead(200).end();
    } else if (operation === 'DeleteObject') {
      const code = remove(key, query.get('versionId') ?? undefined);
      if (code) return problem(response, 403, code);
      response.writeHead(204).end();
    } else problem(response, 405, 'MethodNotAllowed');
    after?.(operation);
  }

  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket: name,
    put,
    hide,
    upload: (key: string) => uploads.push({ key, id: randomUUID() }),
    /** Keys with their versions, markers too. */
    held: () => held.map(({ key, id, marker }) => `${key} ${id}${marker ? ' marker' : ''}`).sort(),
    keys: () => [...new Set(held.map(({ key }) => key))].sort(),
    uploads: () => uploads.map(({ key }) => key),
    requests,
    operations: () => requests.map(({ operation }) => operation),
    /** These keys are not deleted, for this reason, until it is called again without them. */
    refuse: (code: string, keys: readonly string[]) => {
      refused.clear();
      for (const key of keys) refused.set(key, code);
    },
    /** Operations that this store does not have. */
    lack: (...operations: string[]) => {
      missing.clear();
      for (const operation of operations) missing.add(operation);
    },
    deny: (whether: boolean) => {
      denied = whether;
    },
    /** Lists all files, whatever prefix it is asked for. */
    ignorePrefix: (whether: boolean) => {
      ignoring = whether;
    },
    /** The next `times` requests, of this operation or of any, meet it. */
    fail: (fault: Fault, { operation = null as string | null, times = 1 } = {}) => {
      for (let n = 0; n < times; n++) faults.push({ operation, fault });
    },
    /** Told of each request once it is answered. */
    afterEach: (told: ((operation: string) => void) | undefined) => {
      after = told;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function operationOf(method: string | undefined, query: URLSearchParams, key: string): string {
  if (method === 'PUT') return query.has('uploadId') || key === '' ? 'unknown' : 'PutObject';
  if (method === 'DELETE') return query.has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject';
  if (method === 'POST') return query.has('delete') ? 'DeleteObjects' : 'unknown';
  if (method !== 'GET' || key !== '') return 'unknown';
  if (query.has('versioning')) return 'GetBucketVersioning';
  if (query.has('versions')) return 'ListObjectVersions';
  return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2';
}

function problem(response: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/xml', ...headers });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}

function fail(response: ServerResponse, fault: Fault): void {
  if (typeof fault !== 'string') problem(response, fault.status, fault.code, fault.headers);
  switch (fault) {
    case 'silence':
      return;
    case 'half_an_answer':
      response.writeHead(200, { 'content-type': 'application/xml' }).write('<?xml version="1.0"?><ListBucketResult>');
      return;
    case 'endless_answer': {
      response.writeHead(200, { 'content-type': 'application/xml' });
      const part = Buffer.alloc(1 << 20, ' ');
      const go = () => {
        while (!response.destroyed && response.write(part));
        if (!response.destroyed) response.once('drain', go);
      };
      response.on('error', () => {});
      go();
      return;
    }
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><p>Sign in</p>');
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
  }
}
