import { describe, expect, it } from 'vitest';
import { tablesOf } from '../../src/catalog/live/declared.ts';
import { parseDeclaration } from '../../src/catalog/load.ts';
import { mergeDeclarations } from '../../src/catalog/merge.ts';

const declare = (...locations: object[]) =>
  parseDeclaration({ account: { table: 'accounts', key: 'id' }, locations }, 'test');
const posts = { table: 'posts', account: 'account_id', owner: 'reader' };
const names = (merged: ReturnType<typeof mergeDeclarations>) => tablesOf(merged).map((l) => l.name ?? l.table);

describe('the catalog of a request and the current one', () => {
  it('keeps what both know as it was accepted', () => {
    const accepted = declare({ ...posts, account: 'author_id' });
    const merged = mergeDeclarations(accepted, declare({ ...posts, table: 'public.posts' }));
    expect(merged).toEqual(accepted);
  });

  it('adds what is new, and keeps what is gone', () => {
    const merged = mergeDeclarations(
      declare(posts, { ...posts, table: 'old' }),
      declare(posts, { ...posts, table: 'new' }),
    );
    expect(names(merged)).toEqual(['posts', 'old', 'new']);
  });

  it('tells two tables with the same name apart', () => {
    const merged = mergeDeclarations(
      declare({ ...posts, name: 'entries' }),
      declare({ ...posts, table: 'articles', name: 'entries' }),
    );
    expect(names(merged)).toEqual(['entries', 'public.articles (added)']);
  });

  it('never takes the account table of the request for a location', () => {
    const users = parseDeclaration(
      { account: { table: 'users', key: 'id' }, locations: [{ ...posts, table: 'accounts' }] },
      'test',
    );
    expect(names(mergeDeclarations(declare(posts), users))).toEqual(['posts']);
  });
});
