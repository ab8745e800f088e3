/** Key types that can be cut into ranges. Other types are refused by the live check. */
export const KEY_TYPES = ['smallint', 'integer', 'bigint', 'uuid'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

export const isKeyType = (type: string): type is KeyType => (KEY_TYPES as readonly string[]).includes(type);
/** Keys of one family are compared with each other, whatever their sizes. */
export const keyFamily = (type: KeyType) => (type === 'uuid' ? 'uuid' : 'integer');

export type Column = { readonly name: string; readonly type: KeyType };
/** Keys are tuples throughout, also where only one column is allowed yet. */
export type KeyColumns = readonly [Column, ...Column[]];
/** A key's value as the database prints it, one text per column: never a JavaScript number. */
export type KeyValue = readonly string[];
