import { describe, expect, it } from 'vitest';
import { findStrayPaths } from '../../src/catalog/checks/strays.ts';
import type { ForeignKey } from '../../src/catalog/live/inspect.ts';
import type { AccountTable, TableLocation } from '../../src/catalog/live/types.ts';
import type { KeyColumns } from '../../src/keys/types.ts';

const key = (tenant: string, id: string): KeyColumns => [
  { name: tenant, type: 'uuid' },
  { name: id, type: 'bigint' },
];
const account: AccountTable = {
  schema: 'public',
  table: 'members',
  key: key('tenant', 'id'),
  email: undefined,
  flag: undefined,
  created: undefined,
  hold: undefined,
  threshold: 1000,
};
const notes: TableLocation = {
  kind: 'table',
  schema: 'public',
  table: 'notes',
  name: 'notes',
  owner: 'reader',
  action: 'delete',
  atRequest: false,
  slaMs: undefined,
  account: key('tenant', 'member_id'),
  key: [{ name: 'id', type: 'bigint' }],
  stage: 0,
  ordered: true,
  children: [],
  guarded: true,
};

function paths(columns: string[], referenced: string[]) {
  const fk: ForeignKey = {
    constraint: 'notes_fkey',
    child: 'public.notes',
    columns,
    parent: 'public.members',
    referenced,
    onDelete: 'NO ACTION',
    enforced: true,
  } as ForeignKey;
  return findStrayPaths({ account, tables: [notes] }, [fk]);
}

describe('a foreign key onto an account with a key of two columns', () => {
  it('stays within the account when it compares both columns, in any order', () => {
    expect(paths(['tenant', 'member_id'], ['tenant', 'id'])).toEqual([]);
    expect(paths(['member_id', 'tenant'], ['id', 'tenant'])).toEqual([]);
  });

  it('may leave the account when it compares one of them, or the wrong ones', () => {
    for (const [columns, referenced] of [
      [['tenant'], ['tenant']],
      [['member_id'], ['id']],
      [
        ['tenant', 'member_id'],
        ['id', 'tenant'],
      ],
      [
        ['tenant', 'author_id'],
        ['tenant', 'id'],
      ],
    ] as const)
      expect(paths([...columns], [...referenced])).toMatchObject([{ owner: notes.account }]);
  });
});
