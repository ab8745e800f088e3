import { createHash } from 'node:crypto';
import { KINDS } from '../../src/locations/kinds/registry.ts';
import { type BucketServer, startBucket } from '../support/bucket-server.ts';
import type { AskedSubject, System } from './asked-subject.ts';

const FILES = 'files';

const below = (bucket: BucketServer, account: string) =>
  bucket.held().filter((file) => file.startsWith(`files/${account}/`));

/** A bucket, as far as all ways to find files share it. `more`: what the entry says of these ways. */
async function startFiles(versions: boolean): Promise<System> {
  const bucket = await startBucket({ versions });
  let made = 0;
  const s3 = `{ bucket: ${bucket.bucket}, endpoint: "${bucket.url}", credentials: { key: "env:FILES_KEY", secret: "env:FILES_SECRET" }, prefix: "files/{account}/" }`;
  return {
    entry: `{ partner: ${FILES}, owner: media, sla: 12h, s3: ${s3} }`,
    env: { FILES_KEY: 'key', FILES_SECRET: 'secret' },
    add: async (_sql, accounts, n) => {
      for (let i = 0; i < n; i++) for (const account of accounts) bucket.put(`files/${account}/${++made}`);
    },
    count: async (account) => below(bucket, account).length,
    checksum: async (account) => createHash('sha256').update(below(bucket, account).join('\n')).digest('hex'),
    requests: async () => bucket.requests.length,
    told: async () => null,
    fail: async () => {
      bucket.deny(true);
      return async () => bucket.deny(false);
    },
    close: bucket.close,
  };
}

/** Files in a bucket that an account's key finds. The ledger counts them. */
export const filesSubject = (versions: boolean): AskedSubject => ({
  kind: 'object-store',
  outcome: 'delete',
  location: FILES,
  open: () => startFiles(versions),
  counted: (things) => things,
  contextOf: (ctx) => ({ ...ctx, kinds: { ...ctx.kinds, 'object-store': KINDS['object-store'] as never } }),
});
