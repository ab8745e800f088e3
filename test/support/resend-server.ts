import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

const MORE = 'Learn more at https://resend.com/docs.';
/** Errors of the API: status, a text that quotes the recipient as the real one may, and the name where it says less than ours. */
const ERRORS = {
  missing_api_key: [401, () => 'Missing API key in the authorization header.'],
  restricted_api_key: [401, () => 'This API key is restricted to only send emails.'],
  invalid_api_key: [403, () => 'API key is invalid.'],
  domain_not_verified: [
    403,
    () => `The reader.example domain is not verified. Please, add and verify your domain. ${MORE}`,
    'validation_error',
  ],
  testing_only: [
    403,
    (to: string) => `You can only send testing emails to your own email address (me@reader.example), not to ${to}.`,
    'validation_error',
  ],
  /** The same under the name that it had before. */
  invalid_to_address: [403, () => 'You can only send testing emails to your own email address.'],
  invalid_from: [
    422,
    () => 'Invalid `from` field. The email address needs to follow the `email@example.com` format.',
    'validation_error',
  ],
  invalid_recipient: [422, (to: string) => `Invalid \`to\` field: ${to}`, 'validation_error'],
  other_field: [400, (to: string) => `We found an error with one or more fields (to: ${to}).`, 'validation_error'],
  security_error: [451, () => 'We may have found a security issue with the request.'],
  of_tomorrow: [403, () => 'This team is suspended.'],
  not_found: [404, () => 'The requested endpoint does not exist.'],
  invalid_idempotency_key: [400, () => 'The key must be between 1-256 chars.'],
  invalid_idempotent_request: [409, () => 'Same idempotency key used with a different request payload.'],
  concurrent_idempotent_requests: [409, () => 'Same idempotency key used while original request is in progress.'],
  missing_required_field: [422, () => 'The request body is missing one or more required fields.'],
  rate_limit_exceeded: [429, () => 'Too many requests.'],
  daily_quota_exceeded: [429, (to: string) => `You have reached your daily email sending quota (${to}).`],
  monthly_quota_exceeded: [429, () => 'You have reached your monthly email sending quota.'],
  application_error: [500, (to: string) => `An unexpected error occurred while sending to ${to}.`],
  internal_server_error: [500, (to: string) => `An unexpected error occurred while sending to ${to}.`],
} as const satisfies Record<string, readonly [number, (to: string) => string, string?]>;
type ErrorName = keyof typeof ERRORS;

/** What a request can be made to meet: an error, or something that is not the API's answer at all. */
export type Failure =
  | ErrorName
  /** HTML from something in between. */
  | 'bad_gateway'
  /** JSON from something in between: an error that is not the API's. */
  | 'gateway_json'
  | 'connection_reset'
  /** Accepts the request and never answers. */
  | 'silence'
  /** Answers 200 and never sends the body's end. */
  | 'half_an_answer';

export type Email = { from: string; to: string; subject: string; html: string; text: string };
export type Delivered = Email & { id: string; key: string };
export type Requested = { key: string; body: string; to: string };
export type ResendServer = Awaited<ReturnType<typeof startResend>>;

const API_KEY = 're_test_key';

/** Resend's `POST /emails` on loopback: keeps what it delivered, and fails the way it is told to. */
export async function startResend() {
  const delivered: Delivered[] = [];
  const requests: Requested[] = [];
  const failures: { failure: Failure; afterDelivery: boolean }[] = [];
  const keys = new Map<string, { body: string; id: string }>();
  const inFlight = new Set<string>();
  let gate: Promise<void> | undefined;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const email = parse(body);
    const key = String(request.headers['idempotency-key'] ?? '');
    const to = String(email?.to ?? '');
    const refuse = (name: ErrorName) => {
      const [status, message, given = name] = ERRORS[name] as readonly [number, (to: string) => string, string?];
      const limits = { 'ratelimit-limit': '2', 'ratelimit-remaining': '0', 'ratelimit-reset': '1', 'retry-after': '1' };
      const headers = name === 'rate_limit_exceeded' ? limits : {};
      json(response, status, { statusCode: status, name: given, message: message(to) }, headers);
    };

    if (request.method !== 'POST' || request.url !== '/emails') return refuse('not_found');
    const { authorization } = request.headers;
    if (!authorization?.startsWith('Bearer ')) return refuse('missing_api_key');
    if (authorization !== `Bearer ${API_KEY}`) return refuse('invalid_api_key');
    requests.push({ key, body, to });
    if (key.length > 256) return refuse('invalid_idempotency_key');
    if (!email?.from || !email.to || !email.subject || !(email.html ?? email.text)) {
      return refuse('missing_required_field');
    }
    const next = failures.shift();
    if (next && !next.afterDelivery) return fail(response, next.failure, refuse);

    const known = keys.get(key);
    if (known) {
      if (known.body !== body) return refuse('invalid_idempotent_request');
      return next ? fail(response, next.failure, refuse) : json(response, 200, { id: known.id });
    }
    if (inFlight.has(key)) return refuse('concurrent_idempotent_requests');
    inFlight.add(key);
    await gate;
    inFlight.delete(key);
    const id = randomUUID();
    if (key) keys.set(key, { body, id });
    delivered.push({ ...(email as Email), id, key });
    if (next) return fail(response, next.failure, refuse);
    json(response, 200, { id });
  }

  const server = createServer((request, response) => void handle(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    baseUrl,
    apiKey: API_KEY,
    /** What a worker needs to send through this server. */
    env: {
      LETHE_MAIL: 'resend',
      RESEND_API_KEY: API_KEY,
      RESEND_BASE_URL: baseUrl,
      LETHE_MAIL_FROM: 'Reader <no-reply@reader.example>',
    },
    /** Mails that left for this address, oldest first. */
    deliveredTo: (to: string) => delivered.filter((mail) => mail.to === to),
    /** Requests with a good key for this address, oldest first; also those that failed. */
    requestsFor: (to: string) => requests.filter((request) => request.to === to),
    requestCount: () => requests.length,
    /** The next `times` requests fail: before the mail is taken, or after it was delivered. */
    fail: (failure: Failure, { times = 1, afterDelivery = false } = {}) => {
      for (let n = 0; n < times; n++) failures.push({ failure, afterDelivery });
    },
    /** Requests stay in flight until the returned function is called. */
    hold: () => {
      let release = () => {};
      gate = new Promise<void>((resolve) => {
        release = () => {
          gate = undefined;
          resolve();
        };
      });
      return () => release();
    },
    /** As after 24 hours: the same request would be a second mail. */
    forgetKeys: () => keys.clear(),
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function parse(body: string): Partial<Email> | undefined {
  try {
    return JSON.parse(body) as Partial<Email>;
  } catch {
    return undefined;
  }
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

function fail(response: ServerResponse, failure: Failure, refuse: (name: ErrorName) => void): void {
  switch (failure) {
    case 'bad_gateway':
      response.writeHead(502, { 'content-type': 'text/html' }).end('<html><body>502 Bad Gateway</body></html>');
      return;
    case 'gateway_json':
      json(response, 504, { message: 'Endpoint request timed out' });
      return;
    case 'connection_reset':
      response.socket?.resetAndDestroy();
      return;
    case 'silence':
      return;
    case 'half_an_answer':
      response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":');
      return;
    default:
      refuse(failure);
  }
}
