import { LetheError } from '../errors.ts';

const MEANINGS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'it may not be read or written',
  EPERM: 'it may not be read or written',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is not a folder',
  ENAMETOOLONG: 'its path is too long',
  EIO: 'the disk has failed',
  EBUSY: 'it is in use',
  EISDIR: 'a folder is where a file should be',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
  ENOTCONN: 'its mount is away',
  ESTALE: 'its mount is stale',
  ETIMEDOUT: 'its mount does not answer',
};

const OF_NETWORK = /^(connect|getaddrinfo)/;

/** An error of the file system in words; any other one as it is. `what`: the folder, as people know it. */
export function unavailable(what: string, error: unknown): unknown {
  const { code = '', syscall = '' } = error as NodeJS.ErrnoException;
  // A connection has errors of the same names.
  const meaning = OF_NETWORK.test(syscall) ? undefined : MEANINGS[code];
  return meaning === undefined ? error : new LetheError('dataset_unavailable', `${what}: ${meaning} (${code})`);
}
