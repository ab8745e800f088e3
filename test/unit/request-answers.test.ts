import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseDone, whyNot } from '../../src/locations/request/judge.ts';
import { pauseOf } from '../../src/locations/request/pause.ts';
import { TOLD } from '../support/request-template.ts';

const JSON_404 = '{"error":{"code":"resource_missing"}}';

/** What the rules say of an answer; null: it means success. */
const judged = (done: string, status: number, body = '', whole = true, told = TOLD) =>
  whyNot(parseDone(parse(done)).rules, { status, body, whole }, told);

describe('an answer', () => {
  it.each<[string, number, string]>([
    ['200', 200, ''],
    ['[200, 404]', 404, 'not here'],
    ['{ status: [200, 201], has: data.regulateId }', 201, '{"data":{"regulateId":"a"}}'],
    ['[200, { status: 404, where: { error.code: resource_missing } }]', 404, JSON_404],
    ['{ status: 200, where: { results.0.status: [PENDING, STAGING] } }', 200, '{"results":[{"status":"STAGING"}]}'],
    ['{ status: 200, where: { ok: true, n: 1, e: null } }', 200, '{"ok":true,"n":1,"e":null}'],
    ['{ status: 200, where: { id: "{account}" } }', 200, '{"id":"42"}'],
    ['{ status: 200, where: { id: "{account}" } }', 200, '{"id":42}'],
    ['[{ status: 200, where: { a: 1 } }, { status: 200, where: { b: 1 } }]', 200, '{"b":1}'],
  ])('means success by %s: %i %s', (done, status, body) => expect(judged(done, status, body)).toBeNull());

  it.each<[string, number, string, string]>([
    ['200', 202, '', 'answered 202, which the catalog does not list as done'],
    ['200', 404, '', 'answered 404, which the catalog does not list as done'],
    ['[200, 404]', 200, ' <!DOCTYPE html><p>Welcome', 'answered 200 with a page in HTML'],
    ['[200, 404]', 404, '<html lang="en">', 'answered 404 with a page in HTML'],
    [
      '{ status: 404, where: { error.code: resource_missing } }',
      404,
      '{"error":"route"}',
      'answered 404, but its JSON has another value at error.code',
    ],
    [
      '{ status: 200, where: { status: ok } }',
      200,
      '{"status":"error"}',
      'answered 200, but its JSON has another value at status',
    ],
    ['{ status: 200, has: data.id }', 200, '{"data":{"id":null}}', 'answered 200, but its JSON has nothing at data.id'],
    ['{ status: 200, has: a }', 200, 'OK', 'answered 200 without JSON'],
    [
      '{ status: 200, where: { constructor: null } }',
      200,
      '{}',
      'answered 200, but its JSON has another value at constructor',
    ],
    [
      '{ status: 200, where: { ok: true } }',
      200,
      '{"ok":"true"}',
      'answered 200, but its JSON has another value at ok',
    ],
    [
      '{ status: 200, where: { id: "{account}" } }',
      200,
      '{"id":"43"}',
      'answered 200, but its JSON has another value at id',
    ],
  ])('does not by %s: %i %s', (done, status, body, words) => expect(judged(done, status, body)).toBe(words));

  it('that is longer than is read says nothing by its JSON', () => {
    const done = '{ status: 200, where: { ok: true } }';
    expect(judged(done, 200, '{"ok":true', false)).toBe('answered 200 with more than is read of an answer');
    expect(judged('200', 200, '{"ok":true', false)).toBeNull();
  });

  it('is judged whatever it is, and its words show nothing of it', () => {
    const done = '[200, { status: [200, 404], where: { a.b: 1, c: "{account}" }, has: [d] }]';
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.oneof(fc.json(), fc.string()), (status, body) => {
        const why = judged(done, status, body, true, { ...TOLD, account: { id: 'ann-of-it' } });
        if (status !== 200 && status !== 404) expect(why).toContain('does not list');
        expect(why ?? '').toMatch(/^$|^answered \d{3}(,| with)/);
        expect(why ?? '').not.toContain('ann-of-it');
      }),
    );
  });
});

describe('a pause', () => {
  const NOW = Date.parse('2026-11-28T07:00:00Z');

  it.each<[Record<string, string>, number | undefined]>([
    [{ 'retry-after': '120' }, 120_000],
    [{ 'retry-after': 'Sat, 28 Nov 2026 07:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sat, 28 Nov 2026 06:00:00 GMT' }, 0],
    [{ 'x-ratelimit-reset': String(NOW / 1000 + 45) }, 45_000],
    [{ 'ratelimit-reset': '9' }, 9_000],
    [{ 'x-rate-limit-reset': '9' }, 9_000],
    [{ 'x-regulation-ratelimit-quota-reset': '2026-11-28T07:10:00.000Z' }, 600_000],
    [{ 'retry-after': '5', 'x-ratelimit-reset': '900' }, 5_000],
    [{ 'retry-after': '999999999' }, 86_400_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'x-reset': '9' }, undefined],
    [{}, undefined],
  ])('is what %j asks for: %s ms', (headers, ms) => expect(pauseOf(headers, NOW)).toBe(ms));
});
