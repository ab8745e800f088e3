import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readNamed } from '../../src/catalog/live/named-parameters.ts';
import { readPlant } from '../../src/catalog/live/plant.ts';

/** The statement with each parameter as `<name>`. */
const bound = (text: string) =>
  readNamed(text, ['account', 'marker'])
    .pieces.map((p) => ('text' in p ? p.text : `<${p.parameter}${p.field ? `.${p.field}` : ''}>`))
    .join('');

describe('the names in a statement', () => {
  it.each([
    ['VALUES ($marker, $account)', 'VALUES (<marker>, <account>)'],
    ['SELECT $account::bigint, $marker::text||$marker', 'SELECT <account>::bigint, <marker>::text||<marker>'],
    ['SELECT ($account.tenant)', 'SELECT (<account.tenant>)'],
    ["SELECT '$marker', $marker", "SELECT '$marker', <marker>"],
    ["SELECT 'it''s $marker' || $marker", "SELECT 'it''s $marker' || <marker>"],
    ["SELECT E'\\'$marker', $marker", "SELECT E'\\'$marker', <marker>"],
    ["SELECT '\\', $marker", "SELECT '\\', <marker>"],
    ['SELECT "a""$marker", $marker', 'SELECT "a""$marker", <marker>'],
    ['SELECT $$ $marker ; $$, $marker', 'SELECT $$ $marker ; $$, <marker>'],
    ['SELECT $a$ $$ $marker $a$, $marker', 'SELECT $a$ $$ $marker $a$, <marker>'],
    ['SELECT $account$ $marker $account$', 'SELECT $account$ $marker $account$'],
    ['SELECT a$marker, $marker FROM é$account', 'SELECT a$marker, <marker> FROM é$account'],
    ['SELECT 1 -- $marker; DROP\n, $marker', 'SELECT 1  \n, <marker>'],
    ['SELECT 1 /* $marker /* ; */ $marker */, $marker', 'SELECT 1  , <marker>'],
    ['SELECT 1 -- at the end', 'SELECT 1  '],
    ['SELECT $marker ;  ', 'SELECT <marker>'],
  ])('%s', (text, expected) => {
    expect(readNamed(text, ['account', 'marker']).problems).toEqual([]);
    expect(bound(text)).toBe(expected);
  });

  it('are never found in what is quoted, whatever stands in it', () => {
    const inside = fc.stringMatching(/^[^'\\]*$/);
    fc.assert(
      fc.property(inside, (text) => {
        const quoted = `'${text}$marker;'`;
        expect(bound(`SELECT ${quoted}, $marker`)).toBe(`SELECT ${quoted}, <marker>`);
      }),
    );
  });
});

describe('a statement that plants test data', () => {
  const problem = (text: string, n = 1) => readPlant(text, n).problems.join(' | ');

  it.each([
    'INSERT INTO a (email) VALUES ($marker) RETURNING id',
    "WITH a AS (INSERT INTO a (email) VALUES ($marker || '@example.com') RETURNING id) SELECT id FROM a;",
    'INSERT INTO a (id) VALUES ($account) ON CONFLICT (id) DO NOTHING',
    'SELECT 1 FROM a WHERE id = $account FOR NO KEY UPDATE',
    'SELECT make_account($marker) -- as the application does',
    'INSERT INTO "delete" ("drop") VALUES (\'DELETE; FROM\')',
    '/* first */ SELECT 1 FROM a WHERE id = $account FOR UPDATE',
  ])('%s', (text) => expect(problem(text)).toBe(''));

  it.each([
    ['SELECT 1; SELECT 2', /one statement is expected/],
    ["SELECT 1; 'x'", /one statement is expected/],
    ['SELECT $maker', /^unknown \$maker: expected \$account or \$marker$/],
    ['SELECT $1', /^\$1: expected \$account or \$marker in its place$/],
    ['DELETE FROM a WHERE id = $account', /begins with INSERT, WITH, SELECT, VALUES/],
    ['UPDATE a SET n = 1', /begins with INSERT/],
    ['WITH d AS (DELETE FROM a RETURNING id) SELECT id FROM d', /test data is only added, and DELETE is not/],
    ['WITH d AS (update a set n = 1 RETURNING id) SELECT id FROM d', /only added, and UPDATE is not/],
    ['WITH x AS (SELECT 1 AS n) UPDATE a SET n = x.n FROM x', /only added, and UPDATE is not/],
    ['INSERT INTO a (id) VALUES ($account) ON CONFLICT (id) DO UPDATE SET n = 1', /only added, and UPDATE is not/],
    ['SELECT id INTO b FROM a', /only added, and INTO is not/],
    ['-- nothing', /begins with/],
    ['', /begins with/],
    ['TRUNCATE a', /begins with/],
    ['DO $$ BEGIN DELETE FROM a; END $$', /begins with/],
  ])('is not: %s', (text, words) => expect(problem(text)).toMatch(words));

  it('cannot name the account before there is one', () => {
    expect(problem('INSERT INTO a (id) VALUES ($account) RETURNING id', 0)).toMatch(/is known after it/);
    expect(problem('INSERT INTO a (id) VALUES ($marker) RETURNING id', 0)).toBe('');
  });
});
