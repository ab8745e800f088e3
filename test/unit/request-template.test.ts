import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { percentEncode } from '../../src/locations/request/filters.ts';
import { parseTemplate } from '../../src/locations/request/template.ts';
import { Unsayable } from '../../src/locations/request/values.ts';
import { said, TOLD } from '../support/request-template.ts';

/** Any text, and often one that means something in a URL, a header or JSON. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc
    .array(
      fc
        .constantFrom(
          '../',
          '..',
          '.',
          '/',
          '//',
          '\\',
          '?',
          '#',
          '&',
          '=',
          '%',
          '%2e',
          '%2F',
          '@',
          ':',
          '\r\n',
          '\0',
          ' ',
        )
        .chain((sign) => fc.string().map((text) => sign + text)),
      { minLength: 1, maxLength: 6 },
    )
    .map((parts) => parts.join('')),
  fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '.%2e',
    '"}',
    '{env:KEY}',
    '{{',
    'Ünïcødé 🗝️',
    'a\r\nX-Evil: 1',
    '//evil.example/',
  ),
);

/** The request, or null where it is refused because of a value. */
const saidOrRefused = (...of: Parameters<typeof said>) => {
  try {
    return said(...of);
  } catch (error) {
    if (error instanceof Unsayable) return null;
    throw error;
  }
};

describe('a template', () => {
  it('says texts, values, and braces that are written twice', () => {
    const body = '{ a: "{account}", b: "x{{y}}z", c: ["{id}", 3, true, null], d: { at: "{requestedAt}" } }';
    const { body: text } = said(`{ method: POST, url: "https://a.example/x", body: ${body}, done: 200 }`);
    expect(JSON.parse(text as string)).toEqual({
      a: '42',
      b: 'x{y}z',
      c: [TOLD.id, 3, true, null],
      d: { at: '2026-11-28T07:00:00.000Z' },
    });
  });

  it('makes of a value what its filters say, in their order', () => {
    const email = ' Ann@Example.COM ';
    const digest = createHash('md5').update('ann@example.com').digest('hex');
    const url = 'https://a.example/{email|trim|lower|md5}?b={email|trim|base64}&u={email|upper|trim}&s={email|sha256}';
    expect(said(`{ method: GET, url: "${url}", done: 200 }`, { values: { email } }).url).toBe(
      `https://a.example/${digest}?b=QW5uQEV4YW1wbGUuQ09N&u=ANN%40EXAMPLE.COM&s=${createHash('sha256').update(email).digest('hex')}`,
    );
  });

  it('says what is wrong with it, all of it', () => {
    expect(parseTemplate('a {b c} {d|nonsense} } {').problems).toEqual([
      '{b c} names nothing: write {account}, or {{ and }} where braces are meant',
      expect.stringMatching(/^\{d\|nonsense\}: unknown filter nonsense; known are lower, upper, trim, md5/),
      '} stands alone: a brace that is meant is written twice: }}',
      '{ stands alone: a brace that is meant is written twice: {{',
    ]);
  });

  it('reads any text without an exception', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseTemplate(text)));
    fc.assert(
      fc.property(fc.array(fc.constantFrom('{', '}', '|', 'a', ':', '.', 'env')), (parts) => {
        const { template, problems } = parseTemplate(parts.join(''));
        expect(Array.isArray(template) && Array.isArray(problems)).toBe(true);
      }),
    );
  });
});

describe('whatever a value is', () => {
  const URL_OF =
    '{ method: DELETE, url: "https://api.example.com/v1/a/{x}/b-{x}/c?k={x}&l=1", headers: { X-Who: "{x|urlencode}" }, done: 200 }';

  it('the host, the depth of the path, and the names of the query stay', () => {
    fc.assert(
      fc.property(hostile, (x) => {
        const sent = saidOrRefused(URL_OF, { values: { x } });
        if (!sent) {
          expect(x).toMatch(/^\.{1,2}$/);
          return;
        }
        const url = new URL(sent.url);
        const value = decodeURIComponent(percentEncode(x));
        expect(url.origin).toBe('https://api.example.com');
        expect(`${url.username}${url.password}${url.hash}`).toBe('');
        expect(url.pathname.split('/').map(decodeURIComponent)).toEqual(['', 'v1', 'a', value, `b-${value}`, 'c']);
        expect([...url.searchParams]).toEqual([
          ['k', value],
          ['l', '1'],
        ]);
      }),
      { numRuns: 2_000 },
    );
  });

  it('headers stay one line of plain characters each', () => {
    fc.assert(
      fc.property(hostile, (x) => {
        const sent = saidOrRefused(URL_OF, { values: { x } });
        if (!sent) return;
        expect(Object.keys(sent.headers).sort()).toEqual(['accept', 'x-who']);
        for (const text of Object.values(sent.headers)) expect(text).toMatch(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/);
      }),
      { numRuns: 2_000 },
    );
  });

  it('a header that a variable would break is not sent, and the words do not show it', () => {
    const broken = () =>
      said('{ method: DELETE, url: "https://a.example/{account}", headers: { X: "{env:KEY}" }, done: 200 }', {
        variable: () => 'secret\r\nX-Evil: 1',
      });
    expect(broken).toThrow(new Unsayable('the header X would have a character that no header can have'));
  });

  it('JSON and forms hold it as a value', () => {
    const body = '{ method: POST, url: "https://a.example/x", body: { q: "a {x}", keys: "{keys}" }, done: 200 }';
    const form = '{ method: POST, url: "https://a.example/x", form: { q: "{x}", "a&b": c }, done: 200 }';
    fc.assert(
      fc.property(hostile, (x) => {
        const sent = said(body, { values: { x }, keys: [x, 'other'] });
        expect(JSON.parse(sent.body as string)).toEqual({ q: `a ${x}`, keys: [x, 'other'] });
        const value = decodeURIComponent(percentEncode(x));
        expect([...new URLSearchParams(said(form, { values: { x } }).body)]).toEqual([
          ['q', value],
          ['a&b', 'c'],
        ]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('the credential of the Basic scheme is one header', () => {
    const { headers } = said(
      '{ method: POST, url: "https://a.example/{account}", basic: { user: anystring, password: "{env:KEY}" }, done: 204 }',
    );
    expect(headers.authorization).toBe(`Basic ${Buffer.from('anystring:sk_test').toString('base64')}`);
  });
});

describe('a value that is missing', () => {
  const URL_OF = '{ method: DELETE, url: "https://a.example/customers/{customer}", done: 200 }';

  it.each([
    [{}, '{customer} is null'],
    [{ customer: null }, '{customer} is null'],
    [{ customer: '' }, '{customer} is empty'],
  ])('is never left out of the path, which would be the collection: %j', (values, words) => {
    expect(() => said(URL_OF, { values })).toThrow(`${words}, and skip: does not say what then`);
  });

  it('is never a member of something else', () => {
    expect(() => said('{ method: DELETE, url: "https://a.example/{constructor}", done: 200 }')).toThrow('is null');
  });

  it('is told by its name when it is a variable', () => {
    const needs = '{ method: DELETE, url: "https://a.example/{account}", headers: { A: "{env:OTHER}" }, done: 200 }';
    expect(() => said(needs)).toThrow(
      expect.objectContaining({ message: 'the variable OTHER is not set', always: true }),
    );
  });

  it('dots are no segment of a path', () => {
    for (const customer of ['.', '..'])
      expect(() => said(URL_OF, { values: { customer } })).toThrow('would make a segment of dots');
    expect(said(URL_OF, { values: { customer: '...' } }).url).toBe('https://a.example/customers/...');
  });
});
