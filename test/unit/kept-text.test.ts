import { sql } from 'drizzle-orm';
import { PgDialect } from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import { keptText } from '../../src/store/kept-text.ts';
import { erasure } from '../../src/store/schema.ts';

const queryOf = (statement: ReturnType<typeof keptText>) => {
  const { sql: text, params } = new PgDialect().sqlToQuery(statement);
  return { text, params };
};

describe('a text that is kept', () => {
  it('is put together once, and filled with what each caller gives', () => {
    const owner = {};
    let built = 0;
    const statement = (key: string[], limit: number) =>
      queryOf(
        keptText(owner, 'find', { key, limit }, (slots) => {
          built++;
          return sql`SELECT ${slots.limit} FROM t WHERE (a, b) = (${slots.key[0]}, ${slots.key[1]}) LIMIT ${slots.limit}`;
        }),
      );
    const text = 'SELECT $1 FROM t WHERE (a, b) = ($2, $3) LIMIT $4';
    expect(statement(['one', 'two'], 3)).toEqual({ text, params: [3, 'one', 'two', 3] });
    expect(statement(['three', 'four'], 5)).toEqual({ text, params: [5, 'three', 'four', 5] });
    expect(built).toBe(1);
  });

  it('gives a value the type of its column, and leaves none out', () => {
    const statement = (at: Date | null) =>
      queryOf(keptText(erasure, 'at', { at }, (slots) => sql`SELECT ${sql.param(slots.at, erasure.retryAt)}`));
    expect(statement(new Date('2026-01-02T03:04:05.678Z')).params).toEqual(['2026-01-02T03:04:05.678Z']);
    expect(statement(null).params).toEqual([null]);
    expect(() => statement(undefined as unknown as null)).toThrow('at has no value');
  });

  it('is another one for another owner and another name', () => {
    const [one, other] = [{}, {}];
    const text = (owner: object, name: string, words: string) =>
      queryOf(keptText(owner, name, {}, () => sql.raw(words))).text;
    expect([text(one, 'a', '1'), text(one, 'b', '2'), text(other, 'a', '3'), text(one, 'a', '4')]).toEqual([
      '1',
      '2',
      '3',
      '1',
    ]);
  });

  it('holds no value of the first caller: it would go out for all others', () => {
    const account = '42';
    const wrong = () => keptText({}, 'delete', { account }, () => sql`DELETE FROM posts WHERE account_id = ${account}`);
    expect(wrong).toThrow('delete: a value in a text that is kept');
  });
});
