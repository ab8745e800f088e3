type ArrayType<T> = {
  to: number;
  from: number[];
  serialize: (values: readonly T[]) => string;
  parse: (text: string) => T[];
};

/** `{"a","b"}`, every element quoted: none can be mistaken for NULL or for syntax. */
export const writeArray = (values: readonly unknown[]): string =>
  `{${values.map((value) => (value === null ? 'NULL' : `"${String(value).replace(/["\\]/g, '\\$&')}"`)).join(',')}}`;

/** The elements of an array of one dimension without NULLs. */
export const readArray = (text: string): string[] =>
  [...text.matchAll(/"((?:[^"\\]|\\.)*)"|([^{},"]+)/gs)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain as string) : quoted.replace(/\\(.)/gs, '$1'),
  );

/**
 * The arrays that our statements send and read: integers, texts, uuids. The driver would ask each new session for all
 * array types. When that session ends before it has answered, nobody hears of it: the rejection ends the process.
 */
export const ARRAYS: {
  integers: ArrayType<number>;
  texts: ArrayType<string>;
  uuids: ArrayType<string>;
} = {
  integers: { to: 1007, from: [1007], serialize: writeArray, parse: (text) => readArray(text).map(Number) },
  texts: { to: 1009, from: [1009], serialize: writeArray, parse: readArray },
  uuids: { to: 2951, from: [2951], serialize: writeArray, parse: readArray },
};
