import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDocument } from '../../src/http/api/openapi.ts';
import { signMessage } from '../../src/partners/sign.ts';
import type { Resources } from '../../src/resources.ts';
import { deriveToken } from '../../src/tokens.ts';
import { PARTNER_SECRET } from '../support/partner-message.ts';
import { request } from '../support/run-by-hand.ts';
import { everything, subject } from '../support/subject.ts';
import { createWorld, KEYS, READER_CATALOG, SECRET, type World } from '../support/world.ts';

/** Requests per operation. */
const RUNS = 80;

type Schema = {
  type?: string;
  enum?: unknown[];
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  $ref?: string;
};
type Parameter = { name: string; in: 'path' | 'query' | 'header'; required?: boolean; schema: Schema };
type Operation = {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, unknown> }>;
};

const document = createDocument() as unknown as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
);
const resolve = (schema: Schema): Schema =>
  schema.$ref ? (document.components.schemas[schema.$ref.split('/').at(-1) as string] as Schema) : schema;

const HOSTILE = [
  '',
  ' ',
  '0',
  '-1',
  '1e3',
  '007',
  '9'.repeat(40),
  'null',
  'undefined',
  "'; DROP TABLE accounts; --",
  '<script>alert(1)</script>',
  '\u001b[2J\u0007',
  '\u0000',
  '\u202egnp.exe',
  '../../../etc/passwd',
  '%00',
  '%',
  '{{7*7}}',
  '😀'.repeat(50),
  'x'.repeat(5_000),
  '00000000-0000-0000-0000-000000000000',
];
const hostile = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 60 }));

/** A value that fits the schema, as JSON has it. */
function fitting(of: Schema): fc.Arbitrary<unknown> {
  const schema = resolve(of);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'integer' || schema.type === 'number')
    return fc.integer({ min: schema.minimum ?? -5, max: schema.maximum ?? 1_000 });
  if (schema.type === 'object') {
    const optional = Object.keys(schema.properties ?? {}).filter((key) => !schema.required?.includes(key));
    return fc
      .record(Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, s]) => [key, fitting(s)])))
      .chain((full) =>
        fc
          .subarray(optional)
          .map((left) => Object.fromEntries(Object.entries(full).filter(([k]) => !left.includes(k)))),
      );
  }
  if (schema.format === 'uuid') return fc.uuid();
  const plain = fc.string({
    unit: 'grapheme',
    minLength: schema.minLength ?? 0,
    maxLength: Math.min(schema.maxLength ?? 20, 20),
  });
  return fc.oneof(plain, hostile);
}

/** A body that fits, lacks a field, has one too many, has wrong types, is huge, or is no JSON at all. */
function bodies(schema: Schema): fc.Arbitrary<string> {
  const fits = fitting(schema);
  const asObject = (value: unknown) => (typeof value === 'object' && value !== null ? value : {});
  return fc.oneof(
    fits.map((value) => JSON.stringify(value)),
    fc
      .tuple(fits, hostile, fc.jsonValue())
      .map(([value, key, more]) => JSON.stringify({ ...asObject(value), [key]: more })),
    fits.chain((value) =>
      fc
        .jsonValue()
        .map((wrong) => JSON.stringify(Object.fromEntries(Object.keys(asObject(value)).map((k) => [k, wrong])))),
    ),
    fc.json(),
    hostile,
    fc.constantFrom(
      '{',
      '[]',
      'null',
      '"',
      `{"a":${'['.repeat(5_000)}`,
      `"${'x'.repeat(20_000)}"`,
      '{"__proto__":{"x":1}}',
    ),
  );
}

/** Without lone surrogates, which no URL and no body can carry. */
const wellFormed = (text: string) => Buffer.from(text).toString();

type Sent = { path: string; query: [string, string][]; headers: Record<string, string>; body: string | null };

let world: World;
let domain: Resources;
let base: string;
let known: string[];
/** A scheduled erasure that no random request knows. */
let untouched: string;
/** A call that waits for an acknowledgement. */
let asked: string;

beforeAll(async () => {
  // Ten posts are many here: the checksum over everything is taken for every request.
  world = await createWorld({
    catalog: READER_CATALOG.replace('threshold: 1000', 'threshold: 5'),
    env: { LETHE_PARTNER_SECRET: PARTNER_SECRET },
  });
  domain = await world.domain();
  base = (await world.api()).base;
  const scheduled = await subject(world.sql, 10);
  const stalled = await subject(world.sql, 10);
  const ids = [await request(domain.ctx, scheduled.account), await request(domain.ctx, stalled.account)];
  await world.sql`UPDATE lethe.erasure SET state = 'stalled' WHERE id = ${ids[1] as string}`;
  untouched = await request(domain.ctx, (await subject(world.sql, 10)).account);
  asked = randomUUID();
  await world.sql`INSERT INTO lethe.call (id, erasure_id, task_id, partner, pass, state, items, next_at)
    SELECT ${asked}, erasure_id, id, 'search', 1, 'accepted', 1, now() FROM lethe.task WHERE erasure_id = ${untouched} LIMIT 1`;
  known = [...ids, (await subject(world.sql, 3)).account, scheduled.account];
});
afterAll(() => world.close());

/** A value for a parameter: one that exists, one that fits, or anything. */
const anyOf = (p: Parameter) =>
  fc.oneof(
    fc.constantFrom(0, 1, 2, 3).map((i) => known[i] as string),
    fitting(p.schema).map(String),
    hostile,
  );

function requestsFor(op: Operation & { path: string }): fc.Arbitrary<Sent> {
  const of = (place: Parameter['in']) => (op.parameters ?? []).filter((p) => p.in === place);
  const path = fc
    .record(Object.fromEntries(of('path').map((p) => [p.name, anyOf(p)])))
    .map((values) =>
      op.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(wellFormed(String(values[name]))) || '%20'),
    );
  const named = fc
    .subarray(of('query'))
    .chain((some) => fc.tuple(...some.map((p) => fc.tuple(fc.constant(p.name), anyOf(p)))));
  const more = fc.array(fc.tuple(hostile, hostile), { maxLength: 2 });
  const header = fc.tuple(
    ...of('header').map((p) => fc.tuple(fc.constant(p.name), fc.string({ minLength: 1, maxLength: 300 }))),
  );
  const schema = op.requestBody?.content['application/json']?.schema;
  return fc.record({
    path,
    query: fc.tuple(named, more).map(([a, b]) => [...(a as [string, string][]), ...b]),
    headers: fc
      .tuple(
        fc.constantFrom('application/json', 'application/json; charset=utf-8', 'text/plain', 'multipart/form-data'),
        header,
        fc.boolean(),
      )
      .map(([type, own, given]) => ({
        'Content-Type': type,
        ...(given ? Object.fromEntries(own as [string, string][]) : {}),
      })),
    body: schema ? bodies(schema) : fc.constant(null),
  });
}

/** What a caller shows: a key; a partner the token of its task, or its signature. */
function credentials({ path, body }: Sent, auth: string | null): Record<string, string> {
  if (!auth) return {};
  if (path === '/v1/partner/erasures')
    return signMessage(PARTNER_SECRET, { id: randomUUID(), at: new Date(), body: wellFormed(body ?? '') });
  const task = /^\/v1\/tasks\/([^/]+)\/ack$/.exec(path)?.[1];
  return { Authorization: `Bearer ${task ? deriveToken([SECRET], 'ack', task) : auth}` };
}

async function send(method: string, sent: Sent, auth: string | null) {
  const query = new URLSearchParams(sent.query.map(([k, v]): [string, string] => [wellFormed(k), wellFormed(v)]));
  const controller = new AbortController();
  const response = await fetch(`${base}${sent.path}?${query}`, {
    method,
    headers: { ...sent.headers, ...credentials(sent, auth) },
    body: method === 'GET' ? null : sent.body === null ? null : wellFormed(sent.body),
    signal: controller.signal,
    redirect: 'manual',
  });
  const type = response.headers.get('content-type') ?? '';
  // A stream of an erasure that is not final stays open.
  const text = type.startsWith('text/event-stream') ? '' : await response.text();
  controller.abort();
  return { status: response.status, type, text };
}

describe('requests made from the description of the API', () => {
  it('describes every operation', () => {
    expect(operations.length).toBeGreaterThanOrEqual(12);
  });

  it.each(operations)(
    '$operationId: no 5xx, no stack, nothing changed by what is refused',
    async (op) => {
      const statuses = new Set<number>();
      await fc.assert(
        fc.asyncProperty(
          requestsFor(op),
          fc.constantFrom(KEYS.admin, KEYS.admin, KEYS.write, KEYS.read, null),
          async (sent, auth) => {
            const before = await everything(world.sql);
            const { status, type, text } = await send(op.method, sent, auth);
            statuses.add(status);
            expect(status, text).toBeLessThan(500);
            if (status >= 400) {
              expect(type).toBe('application/problem+json');
              expect(text).not.toMatch(/\bat .+\.(ts|js|mjs):\d+|node_modules|SQLSTATE|SELECT |lethe\./);
              const problem = JSON.parse(text);
              expect(problem).toMatchObject({ type: 'about:blank', status, code: expect.any(String) });
              expect(text.length).toBeLessThan(1_500);
              expect(await everything(world.sql)).toBe(before);
            }
            // A path that does not match any more is answered by none of the operations.
            if (status !== 404 && status !== 405) expect(Object.keys(op.responses)).toContain(String(status));
          },
        ),
        { numRuns: RUNS },
      );
      // A run in which everything is refused for the same reason tests nothing.
      expect(statuses.size).toBeGreaterThan(op.parameters || op.requestBody ? 1 : 0);
    },
    60_000,
  );

  const withText = operations.flatMap((op) => {
    const schema = op.requestBody && resolve(op.requestBody.content['application/json']?.schema ?? {});
    const fields = Object.entries(schema?.properties ?? {}).filter(([, s]) => resolve(s).type === 'string');
    return fields.flatMap(([field]) => HOSTILE.map((text) => ({ ...op, field, text })));
  });

  it.each(withText)('$operationId takes or refuses $field = $text', async ({ path, method, field, text }) => {
    const isTask = path.startsWith('/v1/tasks/');
    const to = path.replace(/\{\w+\}/, isTask ? asked : untouched);
    const body = JSON.stringify({ ...(isTask ? { status: 'erased' } : {}), [field]: text });
    const answer = await send(
      method,
      { path: to, query: [], headers: { 'Content-Type': 'application/json' }, body },
      KEYS.admin,
    );
    expect([200, 202, 422]).toContain(answer.status);
    if (answer.status === 422) expect(JSON.parse(answer.text)).toMatchObject({ field });
  });

  it.each(operations)('$operationId is not asked when the headers are too large', async ({ path, method }) => {
    const to = path.replace(/\{\w+\}/, untouched);
    const status = await new Promise((resolve, reject) => {
      const sent = httpRequest(base + to, { method, headers: { 'X-Large': 'x'.repeat(20_000) } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      sent.on('error', reject);
      sent.end();
    });
    expect(status).toBe(431);
  });
});
