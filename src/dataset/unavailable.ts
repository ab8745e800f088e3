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
};

/** An error of the file system in words. `what`: the folder, as people know it. */
export function unavailable(what: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof LetheError || typeof code !== 'string') return error;
  return new LetheError('dataset_unavailable', `${what}: ${MEANINGS[code] ?? 'it cannot be used'} (${code})`);
}
