import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { writeColumn } from 'hyparquet-writer/src/column.js';
import { encodeNestedValues } from 'hyparquet-writer/src/dremel.js';
import { schemaPathResolver } from 'hyparquet-writer/src/schema.js';
import { breathe } from './breathe.ts';
import type { Page } from './read-day.ts';

type Element = ConstructorParameters<typeof ParquetWriter>[0]['schema'][number];

const text = (name: string, repetition_type: 'OPTIONAL' | 'REQUIRED'): Element => ({
  name,
  type: 'BYTE_ARRAY',
  converted_type: 'UTF8',
  logical_type: { type: 'STRING' },
  repetition_type,
});

const time = (name: string): Element => ({
  name,
  type: 'INT64',
  converted_type: 'TIMESTAMP_MICROS',
  logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
  repetition_type: 'REQUIRED',
});

/** The columns, as https://github.com/apache/parquet-format/blob/master/LogicalTypes.md has them. */
const SCHEMA: Element[] = [
  { name: 'erasure', num_children: 6 },
  text('key', 'OPTIONAL'),
  text('digest', 'OPTIONAL'),
  time('requested_at'),
  time('erased_at'),
  {
    name: 'locations',
    num_children: 1,
    converted_type: 'LIST',
    logical_type: { type: 'LIST' },
    repetition_type: 'REQUIRED',
  },
  { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
  text('element', 'REQUIRED'),
  text('outcome', 'REQUIRED'),
];

/** Keys and digests are all different: compression, a dictionary and statistics would cost much and give little. */
const ENCODINGS = [
  [['key'], 'PLAIN'],
  [['digest'], 'PLAIN'],
  [['requested_at'], 'PLAIN'],
  [['erased_at'], 'PLAIN'],
  [['locations', 'list', 'element'], 'RLE_DICTIONARY'],
  [['outcome'], 'RLE_DICTIONARY'],
] as const;

const pathOf = schemaPathResolver(SCHEMA);
const COLUMNS = ENCODINGS.map(([names, encoding]) => {
  const path = pathOf([...names]);
  const schemaPath = path.map(({ element }) => element);
  const element = schemaPath.at(-1) as Element;
  return { path, schemaPath, element, encoding, columnName: names.join('.') };
});

/** Each of the two gives what was added to the file. */
export type ParquetFile = { append: (page: Page) => Promise<Buffer>; end: () => Buffer };

/**
 * A Parquet file that is made group by group: a page of erasures is one. Its bytes depend on the rows alone. Encodings are
 * named, groups end where pages do, and nothing says when or by which version it was made. A group is made column by column,
 * as the process has other work in between; the writer's own `write` makes it in one go.
 */
export function beginParquet(): ParquetFile {
  const writer = new ByteWriter();
  const file = new ParquetWriter({ writer, schema: SCHEMA, createdBy: 'lethe' });
  const lists = new Map<string, string[]>();
  const listOf = (json: string): string[] => {
    const known = lists.get(json) ?? (JSON.parse(json) as string[]);
    lists.set(json, known);
    return known;
  };
  const taken = (): Buffer => {
    const bytes = Buffer.from(writer.getBytes());
    writer.index = 0;
    return bytes;
  };

  return {
    append: async (page) => {
      const begun = writer.offset;
      const data = [
        page.keys,
        page.digests,
        page.requestedAt,
        page.erasedAt,
        page.locations.map(listOf),
        new Array(page.rows).fill('erased'),
      ] as unknown[][];
      const columns = [];
      for (const [n, { path, ...column }] of COLUMNS.entries()) {
        const { chunk } = writeColumn({
          writer,
          column: { ...column, ...WRITING },
          pageData: encodeNestedValues(path, data[n] as unknown[]),
        });
        columns.push(chunk);
        await breathe();
      }
      file.num_rows += BigInt(page.rows);
      file.row_groups.push({
        columns,
        num_rows: BigInt(page.rows),
        total_byte_size: columns.reduce((sum, { meta_data }) => sum + (meta_data?.total_uncompressed_size ?? 0n), 0n),
        total_compressed_size: BigInt(writer.offset - begun),
      });
      return taken();
    },
    end: () => {
      file.finish();
      return taken();
    },
  };
}

const WRITING = {
  codec: 'UNCOMPRESSED',
  compressors: {},
  stats: false,
  pageSize: 0,
  columnIndex: false,
  offsetIndex: false,
} as const;
