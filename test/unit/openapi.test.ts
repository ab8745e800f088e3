import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode } from '../../src/errors.ts';
import { createVerifyJwt } from '../../src/http/access/jwt.ts';
import { createDocument } from '../../src/http/api/openapi.ts';
import { createApp } from '../../src/http/app.ts';
import { createViewers } from '../../src/http/live/viewers.ts';
import { createEnqueue } from '../../src/jobs/enqueue.ts';
import { createMetrics } from '../../src/metrics.ts';
import { program } from '../support/program.ts';
import { createWorld, type World } from '../support/world.ts';

type Operation = {
  operationId: string;
  description: string;
  security: Record<string, string[]>[];
  responses: Record<string, { content?: Record<string, { examples?: Record<string, unknown> }> }>;
};
const document = JSON.parse(JSON.stringify(createDocument())) as ReturnType<typeof createDocument> & {
  paths: Record<string, Record<string, Operation>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, operation })),
);
const codesOf = (operation: Operation) =>
  Object.values(operation.responses).flatMap((r) =>
    Object.keys(r.content?.['application/problem+json']?.examples ?? {}),
  ) as ErrorCode[];

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

describe('the document', () => {
  it('passes the strict rules', async () => {
    const config = await createConfig({ extends: ['recommended-strict'] });
    const source = JSON.stringify(document);
    const found = await lintFromString({ source, absoluteRef: '/openapi.json', config });
    expect(found.map((p) => `${p.severity} ${p.ruleId} ${p.location[0]?.pointer}`)).toEqual([]);
  });

  it('has every route of the application, and no other', async () => {
    const { ctx, producers } = await world.domain();
    const config = world.config('api');
    const app = createApp({
      ctx,
      config,
      auth: { ...config, verifyJwt: createVerifyJwt(config) },
      producers,
      enqueue: createEnqueue(producers, ctx.log),
      metrics: createMetrics({ defaults: false }),
      viewers: createViewers(ctx),
    });
    const routes = app.routes
      .filter((r) => r.method !== 'ALL' && !/^\/(admin|status|assets)\b/.test(r.path))
      .map((r) => `${r.method} ${r.path.replace(/:(\w+)/g, '{$1}')}`);
    expect([...new Set(routes)].sort()).toEqual(operations.map((o) => o.route).sort());
    expect(routes).toContain('POST /v1/accounts/{accountId}/erasure');
  });

  it('names every code that the API answers with', () => {
    expect(document.components?.schemas?.Problem).toMatchObject({
      properties: { code: { enum: Object.keys(ERRORS) } },
    });
    /** Answers of the dashboard's pages, not of the API. */
    const elsewhere = ['redis_unavailable', 'too_many_attempts'];
    const documented = new Set(operations.flatMap((o) => codesOf(o.operation)));
    const expected = (Object.keys(ERRORS) as ErrorCode[]).filter(
      (c) => (ERRORS[c].status < 500 || ERRORS[c].status === 503) && !elsewhere.includes(c),
    );
    expect(expected.filter((c) => !documented.has(c))).toEqual([]);
    expect(elsewhere.filter((c) => documented.has(c as ErrorCode))).toEqual([]);
  });

  it('shows under each status only problems with that status', () => {
    for (const { operation, route } of operations)
      for (const [status, response] of Object.entries(operation.responses))
        for (const code of Object.keys(response.content?.['application/problem+json']?.examples ?? {}))
          expect(ERRORS[code as ErrorCode].status, `${route} ${code}`).toBe(Number(status));
  });

  it('says of every route below /v1 who may ask', () => {
    const below = operations.filter((o) => o.route.includes(' /v1/'));
    expect(below.length).toBeGreaterThan(8);
    for (const { operation, route } of below) {
      expect(operation.security.length, route).toBeGreaterThan(0);
      // A partner has what the message gave it, or what it signs with, and nothing else opens the route.
      const own = { acknowledgeTask: 'taskToken', requestPartnerErasure: 'signature' }[operation.operationId];
      const forAdmins = operation.description.includes('Scope of the key: `admin`');
      expect(operation.security, route).toEqual(
        own ? [{ [own]: [] }] : forAdmins ? [{ apiKey: [] }] : expect.arrayContaining([{ jwt: [] }]),
      );
      expect(codesOf(operation), route).toEqual(expect.arrayContaining(['unauthenticated', 'rate_limited']));
    }
  });
});

it('is printed by the command line without a configuration', async () => {
  const command = [program('src/cli/lethe.ts'), 'openapi'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { env: { PATH: process.env.PATH } });
  expect(JSON.parse(stdout)).toEqual(document);
  expect(stderr).toBe('');
});

it('is served to everybody, cacheable', async () => {
  const call = await world.api();
  const answer = await call('GET', '/openapi.json', { auth: null });
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual(document);
  expect(answer.headers.get('content-type')).toContain('application/json');
  expect(answer.headers.get('cache-control')).toBe('public, max-age=300');
  const headers = { 'If-None-Match': String(answer.headers.get('etag')) };
  expect((await call('GET', '/openapi.json', { auth: null, headers })).status).toBe(304);
  expect((await call('GET', '/openapi.json', { auth: null, headers: { 'If-None-Match': '"x"' } })).status).toBe(200);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect(answer.body).toMatchObject({ openapi: '3.1.0', info: { version } });
});

describe('the client', () => {
  it('takes nothing of the server along at run time', () => {
    const files = readdirSync('src/client');
    expect(files).toContain('index.ts');
    const imported = files.flatMap((file) =>
      [...readFileSync(`src/client/${file}`, 'utf8').matchAll(/^(?:import|export)\b(?! type\b)[^;]*?'([^']+)';/gm)].map(
        ([, from]) => from,
      ),
    );
    expect([...new Set(imported)].filter((from) => !from?.startsWith('./'))).toEqual(['eventsource-parser']);
  });
});
