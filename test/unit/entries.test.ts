import { describe, expect, it } from 'vitest';
import { catalogSchema } from '../../src/catalog/language.ts';
import { parseCatalog } from '../../src/catalog/load.ts';
import { mergeDeclarations } from '../../src/catalog/merge.ts';
import { UsageError } from '../../src/errors.ts';
import { withLetterboxes } from '../support/letterbox.ts';

const POSTS = '{ table: posts, account: account_id, owner: reader }';
const SMITH = '{ letterbox: Smith, street: High Street, owner: post, action: keep, sla: 24h }';
const KINDS = withLetterboxes('High Street');
const text = (...locations: string[]) =>
  `account: { table: accounts, key: id }\nlocations:\n${locations.map((l) => `  - ${l}\n`).join('')}`;
const parse = (...locations: string[]) => parseCatalog(text(...locations), 'cat', KINDS);

function problemsOf(...locations: string[]): readonly string[] {
  try {
    parse(...locations);
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
  throw new Error('the catalog was accepted');
}

describe('a catalog of two kinds', () => {
  it('is read: each entry by the kind whose key it has, with what all entries have', () => {
    expect(parse(POSTS, SMITH).locations).toEqual([
      { table: 'posts', account: 'account_id', owner: 'reader', action: 'delete' },
      { letterbox: 'Smith', street: 'High Street', owner: 'post', action: 'keep', sla: 86_400_000 },
    ]);
  });

  it('has the digest that it has where there is one kind, as long as it says the same', () => {
    expect(parse(POSTS).digest).toBe(parseCatalog(text(POSTS)).digest);
    expect(parse(POSTS).digest).toBe('1346886394185c9c');
    expect(parse(POSTS, SMITH).digest).not.toBe(parse(POSTS).digest);
  });

  it.each<[string, string[], string[]]>([
    [
      'an outcome that its kind refuses, in the words of the kind',
      [SMITH.replace('keep', 'set'), POSTS.replace('}', ', action: set }')],
      [
        'cat: locations.0.action: Smith: a letter cannot be unwritten: delete it',
        'cat: locations.1.action: posts: only "delete" is supported by this version',
      ],
    ],
    [
      'an outcome that nobody knows',
      [SMITH.replace('keep', 'burn')],
      ['cat: locations.0.action: Smith: only "delete", "keep" are supported by this version'],
    ],
    [
      'a key of the other kind, and a misspelt one',
      [SMITH.replace('}', ', account: account_id, steet: x }'), POSTS.replace('account:', 'acount:')],
      [
        'cat: locations.0: Smith: unknown key account; known are name, letterbox, street, owner, action, sla, data',
        'cat: locations.0: Smith: unknown key steet: street?',
        'cat: locations.1: posts: unknown key acount: account?',
      ],
    ],
    [
      'a deletion by the request, of what takes no part in it',
      [SMITH.replace('}', ', at: request }')],
      ['cat: locations.0: Smith: unknown key at; known are name, letterbox, street, owner, action, sla, data'],
    ],
    [
      'the key of no kind',
      [POSTS, '{ bottle: message, owner: sea }'],
      [
        'cat: locations.1: say what kind of place it is, by one of these keys: table, http, request, event, s3, letterbox',
      ],
    ],
    [
      'the keys of two kinds',
      [POSTS.replace('}', ', letterbox: Smith }')],
      [
        'cat: locations.0: posts: has both table and letterbox: an entry is one place, so give each an entry of its own',
      ],
    ],
    [
      'a misspelt key of a kind',
      [SMITH.replace('letterbox', 'leterbox')],
      ['cat: locations.0: unknown key leterbox: letterbox?'],
    ],
    [
      'no place, in the words of the kind',
      ['{ letterbox: null, owner: post }', '{ table: null, account: a, owner: b }'],
      [
        'cat: locations.0.letterbox: say whose it is: letterbox: smith',
        'cat: locations.1.table: say which table it is: table: orders',
      ],
    ],
    ['no entry', ['[a]'], ['cat: locations.0: expected keys with values, found a list']],
    [
      'a place twice, and a name that both kinds use',
      [SMITH, SMITH.replace('Smith', 'SMITH'), POSTS.replace('}', ', name: SMITH }')],
      [
        'cat: locations.1: letterbox smith is listed twice, first at locations.0',
        'cat: locations.2: name SMITH is listed twice, first at locations.1',
      ],
    ],
  ])('refuses %s', (_, locations, problems) => {
    expect(problemsOf(...locations)).toEqual(problems);
  });

  it('is merged with that of a request: places of both kinds are added, and names told apart', () => {
    const jones = '{ letterbox: jones, name: Smith, owner: post }';
    const merged = mergeDeclarations(
      parse(POSTS, SMITH),
      parse(POSTS, SMITH.replace('Smith, ', 'SMITH, name: again, '), jones),
      KINDS,
    );
    expect(merged.locations).toMatchObject([
      { table: 'posts' },
      { letterbox: 'Smith' },
      { letterbox: 'jones', name: 'jones (added)' },
    ]);
  });

  it('has a JSON Schema in which an entry is of one of the kinds', () => {
    const { properties } = catalogSchema(KINDS) as {
      properties?: { locations?: { items?: { anyOf?: { required: string[] }[] } } };
    };
    expect(properties?.locations?.items?.anyOf?.map(({ required }) => required)).toEqual([
      ['table', 'account', 'owner'],
      ['partner', 'http', 'owner'],
      ['partner', 'request', 'owner'],
      ['partner', 'event', 'owner'],
      ['partner', 's3', 'owner'],
      ['letterbox', 'owner'],
    ]);
  });
});
