import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { addAbortSignal, Readable } from 'node:stream';
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { checkedLookup, mayBePrivate } from '../../partners/addresses.ts';
import type { SenderTools } from '../asked.ts';
import { nameOf, type Reach } from './declare.ts';
import { problemsOf } from './problems.ts';
import { Trouble } from './troubles.ts';

/** A list of 1,000 keys, each of the longest, takes less. Bytes. */
const LONGEST_ANSWER = 16 * 1024 * 1024;
const MOST_SOCKETS = 32;

type Tools = Pick<SenderTools, 'variable' | 'privateHosts'>;
type Handler = S3Client['config']['requestHandler'];

/**
 * Opens a client of the store that holds the bucket. It tries nothing twice: that is for those who make the calls. Throws a
 * `Trouble` where a variable is missing, or the host may not be asked.
 */
export async function openClient(s3: Reach, tools: Tools): Promise<S3Client> {
  const [problem] = problemsOf(s3, tools);
  if (problem) throw new Trouble(problem, { down: true });
  // It takes a tenth of a second to load, and most processes never ask a store.
  const { S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client(configOf(s3, tools));
  client.config.requestHandler = checked(client.config.requestHandler);
  addMd5(client);
  return client;
}

const unsaid = (): void => {};

function configOf(s3: Reach, { variable, privateHosts }: Tools): S3ClientConfig {
  const set = (written: string) => variable(nameOf(written)) as string;
  const host = s3.endpoint && new URL(s3.endpoint).hostname;
  // A store of AWS may well have an address of the own network there: its host is not of the catalog's making.
  const lookup = host && !mayBePrivate(privateHosts, host) ? { lookup: checkedLookup(privateHosts) } : {};
  const agent = { keepAlive: true, maxSockets: MOST_SOCKETS, ...lookup };
  const { credentials, endpoint } = s3;
  return {
    region: s3.region ?? variable('AWS_REGION') ?? 'us-east-1',
    ...(endpoint ? { endpoint } : {}),
    forcePathStyle: s3.pathStyle ?? endpoint !== undefined,
    ...(credentials
      ? {
          credentials: {
            accessKeyId: set(credentials.key),
            secretAccessKey: set(credentials.secret),
            ...(credentials.session ? { sessionToken: set(credentials.session) } : {}),
          },
        }
      : {}),
    maxAttempts: 1,
    // Without one it writes to standard error, in words of its own, what we say ourselves.
    logger: { debug: unsaid, info: unsaid, warn: unsaid, error: unsaid },
    // Stores that are not of AWS refuse the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { httpAgent: new Agent(agent), httpsAgent: new SecureAgent(agent) },
  };
}

/**
 * Reads the whole answer, and lets only one of S3 through. The SDK would keep any length of it in memory, and take the HTML of
 * something in between for a list of no files.
 */
function checked(handler: Handler): Handler {
  return Object.assign(Object.create(handler) as Handler, {
    async handle(...of: Parameters<Handler['handle']>) {
      const answered = await handler.handle(...of);
      const { response } = answered;
      const body = await readBody(
        response.body as Readable | undefined,
        (of[1] as { abortSignal?: AbortSignal } | undefined)?.abortSignal,
      );
      if (response.statusCode < 300 && !isAnswer(of[0].query, body))
        throw new Trouble('it answered what is no answer of S3', { down: true });
      response.body = Readable.from([body]);
      return answered;
    },
  });
}

/** The handler itself stops to look at the signal when the answer has begun. */
async function readBody(body: Readable | undefined, signal: AbortSignal | undefined): Promise<Buffer> {
  if (body && signal) addAbortSignal(signal, body);
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    parts.push(part as Buffer);
    bytes += (part as Buffer).length;
    if (bytes > LONGEST_ANSWER) throw new Trouble('its answer is too long', { down: true });
  }
  return Buffer.concat(parts);
}

/**
 * The elements that an answer may consist of, by the parameter that its request has. A store that has no versions may not
 * know that parameter, and list files.
 */
const ELEMENTS: Readonly<Record<string, readonly string[]>> = {
  versioning: ['VersioningConfiguration', 'ListBucketResult'],
  'list-type': ['ListBucketResult'],
  versions: ['ListVersionsResult'],
  uploads: ['ListMultipartUploadsResult'],
  delete: ['DeleteResult'],
};

/** True for an answer of S3 to a request with these parameters. Other requests are answered by nothing. */
export function isAnswer(query: Readonly<Record<string, unknown>> | undefined, body: Buffer): boolean {
  // What an object holds is for whoever has asked for it to judge.
  if (query?.['x-id'] === 'GetObject') return true;
  const elements = Object.keys(query ?? {}).flatMap((name) => ELEMENTS[name] ?? []);
  const text = body.toString().trim();
  if (elements.length === 0) return text === '';
  const [, root, rest] = /^(?:<\?xml[^>]*\?>)?\s*<([A-Za-z]+)(?:\s[^<>]*)?\/?>(.*)$/s.exec(text) ?? [];
  // S3 may say in an answer of 200 that it has failed: the SDK reads that.
  if (root === undefined || ![...elements, 'Error'].includes(root)) return false;
  return rest === '' ? text.endsWith('/>') : text.endsWith(`</${root}>`);
}

/** DeleteObjects with the checksum that every store takes: the SDK sends another one, which some refuse. */
function addMd5(client: S3Client): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const request = args.request as { headers: Record<string, string>; body?: unknown };
      if (context.commandName === 'DeleteObjectsCommand' && typeof request.body === 'string') {
        for (const name of Object.keys(request.headers))
          if (/^x-amz-(sdk-)?checksum-/i.test(name)) delete request.headers[name];
        request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64');
      }
      return next(args);
    },
    { step: 'finalizeRequest', name: 'addMd5', priority: 'high' },
  );
}
