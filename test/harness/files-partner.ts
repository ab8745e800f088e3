import { startBucket } from '../support/bucket-server.ts';
import { Holdings } from './holdings.ts';

export type FilesPartner = Awaited<ReturnType<typeof openFiles>>;

const folderOf = (account: string) => `files/${account}/`;

/** A bucket is told nothing: its files are listed and deleted, and the ledger counts them. */
class Files extends Holdings {
  override readonly countsThings = true;
  private accounts: readonly string[] = [];
  private readonly bucket: Awaited<ReturnType<typeof startBucket>>;

  constructor(name: string, bucket: Awaited<ReturnType<typeof startBucket>>) {
    super(name);
    this.bucket = bucket;
    bucket.afterEach(() => this.look());
  }

  override give(accounts: readonly string[], things: number): void {
    this.accounts = accounts;
    for (let n = 0; n < things; n++) for (const account of accounts) this.bucket.put(`${folderOf(account)}${n}`);
  }

  override has(account: string): number {
    return this.bucket.keys().filter((key) => key.startsWith(folderOf(account))).length;
  }

  private look(): void {
    for (const account of this.accounts) if (this.has(account) === 0) this.noteGone(account);
  }
}

/** Starts a bucket that holds files of accounts. */
export async function openFiles(name: string) {
  const bucket = await startBucket();
  const holdings = new Files(name, bucket);
  return {
    holdings,
    env: { FILES_KEY: 'key', FILES_SECRET: 'secret' },
    /** What its entry says, with the words of its pacing. */
    entry: (pacing: string) =>
      `s3: { bucket: ${bucket.bucket}, endpoint: "${bucket.url}", credentials: { key: "env:FILES_KEY", secret: "env:FILES_SECRET" }, prefix: "files/{account}/", ${pacing} }`,
    /** Refuses one file of an account; null: every request. Returns what ends it. */
    refuse: (account: string | null) => {
      if (account === null) bucket.deny(true);
      else bucket.refuse('AccessDenied', [`${folderOf(account)}3`]);
      return async () => {
        bucket.deny(false);
        bucket.refuse('AccessDenied', []);
      };
    },
    close: bucket.close,
  };
}
