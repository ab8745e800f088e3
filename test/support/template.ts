import postgres from 'postgres';
import type { PostgresServer } from '../../dev/postgres.ts';
import { createReader } from '../../dev/reader.ts';
import { migrate } from '../../src/store/migrate.ts';

/** The database that each test file's own is cloned from: the reader's tables and schema lethe. */
export const TEMPLATE = 'template_reader';

/** Creates the template on a server. */
export async function createTemplate(server: PostgresServer): Promise<void> {
  const admin = postgres(server.url(), { max: 1 });
  await admin.unsafe(`CREATE DATABASE ${TEMPLATE}`);
  await admin.end();
  const template = postgres(server.url(TEMPLATE), { max: 1, onnotice: () => {} });
  await createReader(template);
  await template.end();
  await migrate(server.url(TEMPLATE));
}
