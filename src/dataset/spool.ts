import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A file that is written, and not yet under its name. */
export type Spooled = { readonly path: string; readonly bytes: number; readonly sha256: string };

/** A file that is being written, with its checksum. Readers pass over its name, which begins with a dot. */
export class Spool {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #hash = createHash('sha256');
  #bytes = 0;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  static async open(folder: string): Promise<Spool> {
    const path = join(folder, `.${randomUUID()}.tmp`);
    return new Spool(path, await open(path, 'wx', 0o640));
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.#bytes += bytes.byteLength;
    // One write may take a part of it only.
    for (let written = 0; written < bytes.byteLength; )
      written += (await this.#file.write(bytes, written, bytes.byteLength - written)).bytesWritten;
  }

  /** Ends it. What a crash of the machine could still lose is on the disk then. */
  async end(): Promise<Spooled> {
    await this.#file.sync();
    await this.#file.close();
    return { path: this.path, bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** Gives it up, wherever it is. Never rejects. */
  async discard(): Promise<void> {
    await this.#file.close().catch(() => {});
    await rm(this.path, { force: true }).catch(() => {});
  }
}
