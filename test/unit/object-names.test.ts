import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAnswer } from '../../src/locations/object-store/client.ts';
import { asks, entryProblems, type S3, variablesOf } from '../../src/locations/object-store/declare.ts';
import {
  accountPart,
  fileKey,
  fitsXml,
  keyProblem,
  prefixOf,
  prefixProblem,
} from '../../src/locations/object-store/names.ts';

const whole = (pattern: string, account: string): string | undefined => {
  const of = prefixOf(pattern, { id: account });
  return 'prefix' in of ? of.prefix : undefined;
};

describe('a prefix in the catalog', () => {
  it.each(['{account}/', 'avatars/{account}/', 'a/user-{account}/b/', 'a/{account}/{account}.d/'])(
    '%s is taken',
    (pattern) => {
      expect(prefixProblem(pattern)).toBeUndefined();
    },
  );

  it.each([
    ['avatars/', 'the files of all accounts would be deleted'],
    ['', 'the files of all accounts would be deleted'],
    ['avatars/{account}', 'it must end in a slash: the prefix of account 4 would take the files of account 42'],
    ['avatars/{account}-', 'it must end in a slash'],
    ['/{account}/', 'a part between two slashes is empty'],
    ['a//{account}/', 'a part between two slashes is empty'],
    ['../{account}/', 'is . or ..'],
    ['{account}/./', 'is . or ..'],
    ['{user}/{account}/', 'only {account} can stand in it'],
    ['{account/', 'only {account} can stand in it'],
    ['{{account}}/', 'only {account} can stand in it'],
    ['{account}/\u0000/', 'it has a control character'],
    [`${'x'.repeat(600)}/{account}/`, 'it is longer than 512 characters'],
  ])('%j is refused', (pattern, words) => {
    expect(prefixProblem(pattern)).toContain(words);
    expect(prefixOf(pattern, { id: '4' })).toHaveProperty('problem');
  });
});

describe('the prefix of an account', () => {
  it('has its key between slashes', () => {
    expect(whole('avatars/{account}/', '4')).toBe('avatars/4/');
    expect(whole('a/{account}/{account}.d/', '0190-x')).toBe('a/0190-x/0190-x.d/');
    // A key is no pattern, and no replacement of one.
    expect(whole('a/{account}/', '$&{account}')).toBe('a/$&{account}/');
  });

  it.each(['', '.', '..', 'a/b', '../42', '/', '4\n', '\u0000'])('is refused for the key %j', (key) => {
    expect(whole('avatars/{account}/', key)).toBeUndefined();
  });

  it('is refused where part of the key would make another path of it', () => {
    expect(whole('.{account}/', '.')).toBeUndefined();
  });

  it('is refused for no key, or for several', () => {
    expect(accountPart({})).toHaveProperty('problem');
    expect(accountPart({ tenant: '1', id: '2' })).toHaveProperty('problem');
  });

  it('holds no file of another account, whatever the pattern and the keys are', () => {
    const part = fc.stringMatching(/^[a-z.{}-]{0,3}$/).map((text) => text.replace(/[{}]/g, ''));
    const segment = fc.tuple(part, fc.constantFrom('', '{account}'), part).map((parts) => parts.join(''));
    const pattern = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => `${segments.join('/')}/`);
    const key = fc.oneof(fc.integer({ min: 1, max: 9999 }).map(String), fc.string({ maxLength: 4, unit: 'binary' }));
    let compared = 0;
    fc.assert(
      fc.property(pattern, key, key, fc.string(), (of, one, other, file) => {
        const [mine, theirs] = [whole(of, one), whole(of, other)];
        if (mine === undefined || theirs === undefined || one === other) return;
        compared += 1;
        expect(`${theirs}${file}`.startsWith(mine)).toBe(false);
        expect(mine.endsWith('/') && !mine.startsWith('/') && !mine.includes('//')).toBe(true);
        expect(mine).toContain(one);
      }),
      { numRuns: 2_000 },
    );
    expect(compared).toBeGreaterThan(200);
  });
});

describe('the key of a file', () => {
  it('is the value of the row, or what the catalog makes of it', () => {
    expect(fileKey('{key}', 'a b/ü.png', '4')).toBe('a b/ü.png');
    expect(fileKey('uploads/{account}/{key}', '$1', '4')).toBe('uploads/4/$1');
  });

  it('that cannot be is none', () => {
    expect(fileKey('uploads/{key}', '', '4')).toBeNull();
    expect(fileKey('{key}', 'x'.repeat(1024), '4')).toHaveLength(1024);
    expect(fileKey('{key}', `${'x'.repeat(1023)}é`, '4')).toBeNull();
  });

  it.each([
    ['uploads/', '{key} is missing'],
    ['{file}', 'only {key} and {account} can stand in it'],
  ])('%s is refused', (pattern, words) => expect(keyProblem(pattern)).toContain(words));

  it('is sent alone where XML cannot carry it', () => {
    expect(['a&<b>\t\n\r', '😀', 'ü'].every(fitsXml)).toBe(true);
    expect(['\u0001', '\u001f', '\uffff', '\ud800'].some(fitsXml)).toBe(false);
  });
});

describe('an entry', () => {
  const s3 = (more: object): S3 => asks.parse({ bucket: 'app-media', ...more });
  const prefix = 'avatars/{account}/';

  it('finds files by a prefix or by rows', () => {
    expect(entryProblems(s3({ prefix }), {})).toEqual([]);
    expect(entryProblems(s3({}), { each: 'media.file_key' })).toEqual([]);
    expect(entryProblems(s3({}), {})).toEqual([expect.stringContaining("say which files are the account's")]);
    expect(entryProblems(s3({ prefix }), { each: 'media.file_key' })).toEqual([expect.stringContaining('not by both')]);
    expect(entryProblems(s3({ prefix, key: '{key}' }), {})).toEqual([expect.stringContaining('s3.key needs each')]);
    expect(entryProblems(s3({ prefix }), { select: { a: 'users.a' } })).toEqual([expect.stringContaining('select:')]);
  });

  it.each([
    [{ bucket: 'a/b' }, 'expected the name of a bucket'],
    [{ endpoint: 'ftp://x' }, 'expected the address of an S3 service'],
    [{ endpoint: 'https://u:p@x' }, 'expected the address of an S3 service'],
    [{ endpoint: 'https://x/?a=b' }, 'expected the address of an S3 service'],
    [{ credentials: { key: 'AKIA', secret: 'env:S' } }, 'expected the name of a variable'],
    [{ credentials: { key: 'env:K' } }, 'expected string'],
    [{ region: 'EU Central' }, 'expected a region'],
  ])('%j is refused', (more, words) => {
    const parsed = asks.safeParse({ bucket: 'app-media', prefix, ...more });
    expect(parsed.error?.issues.map(({ message }) => message).join('; ')).toContain(words);
  });

  it('names the variables that it needs', () => {
    const credentials = { key: 'env:S3_KEY', secret: 'env:S3_SECRET' };
    expect(variablesOf(s3({ prefix, region: 'eu-central-1', credentials }))).toEqual(['S3_KEY', 'S3_SECRET']);
    expect(variablesOf(s3({ prefix }))).toEqual(['AWS_REGION']);
    expect(variablesOf(s3({ prefix, endpoint: 'https://s3.example.com' }))).toEqual([]);
    expect(variablesOf(s3({ prefix, region: 'eu', credentials: { ...credentials, session: 'env:T' } }))).toEqual([
      'S3_KEY',
      'S3_SECRET',
      'T',
    ]);
  });
});

describe('an answer', () => {
  const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
  const list = { 'list-type': '2', prefix: 'a/' };
  it.each([
    [
      list,
      `${XML}<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><KeyCount>0</KeyCount></ListBucketResult>`,
    ],
    [{ versioning: '' }, `${XML}<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>`],
    [{ versioning: '' }, '<VersioningConfiguration></VersioningConfiguration>\n'],
    [{ versioning: '' }, '<ListBucketResult></ListBucketResult>'],
    [{ delete: '' }, '<DeleteResult/>'],
    [{ delete: '' }, '<Error><Code>InternalError</Code></Error>'],
    [{ uploadId: 'u', 'x-id': 'AbortMultipartUpload' }, ''],
  ])('of S3 to %j is %s', (query, text) => expect(isAnswer(query, Buffer.from(text))).toBe(true));

  it.each([
    [list, ''],
    [list, '{}'],
    [list, '<!doctype html><p>Sign in</p>'],
    [list, '<html><ListBucketResult></ListBucketResult></html>'],
    [list, '<ListBucketResult><Contents>'],
    [list, '<ListVersionsResult/>'],
    [{ delete: '' }, '<ListBucketResult/>'],
    [{ 'x-id': 'DeleteObject' }, '<html></html>'],
  ])('to %j is not %s', (query, text) => expect(isAnswer(query, Buffer.from(text))).toBe(false));
});

describe('docs/files.md', () => {
  const page = readFileSync('docs/files.md', 'utf8');
  it('names each key of an entry, and no other', () => {
    const table = page.slice(page.indexOf('below `s3:`'), page.indexOf('A worker does not start'));
    const named = [...table.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, key]) => key),
    );
    const keys = Object.keys(asks.shape).filter((key) => key !== 'ackTimeout');
    expect(named.sort()).toEqual(keys.sort());
  });
});
