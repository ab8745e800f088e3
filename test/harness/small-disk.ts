import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A small disk and the file that fills it. */
export type Ballast = {
  folder: string;
  /** Leaves this many bytes free. */
  fill: (leave: number) => void;
  clear: () => void;
  unmount: () => void;
};

const SIZE = '400m';

/** A file system in memory of a fixed size. Throws where the machine does not allow to mount one. */
export function mountSmallDisk(): Ballast {
  const folder = mkdtempSync(join(tmpdir(), 'lethe-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=0755`, 'lethe-disk', folder], { stdio: 'pipe' });
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  const unmount = () => {
    try {
      execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Unmounted before.
    }
  };
  process.once('exit', unmount);
  const file = join(folder, 'ballast');
  return {
    folder,
    fill: (leave) => {
      for (let attempt = 1; ; attempt++) {
        const { bavail, bsize } = statfsSync(folder);
        try {
          return writeFileSync(file, Buffer.alloc(Math.max(0, bavail * bsize - leave)));
        } catch (error) {
          // The server has written meanwhile what was to be left; a file that stayed would fill the disk of every later run.
          rmSync(file, { force: true });
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC' || attempt === 10) throw error;
        }
      }
    },
    clear: () => rmSync(file, { force: true }),
    unmount,
  };
}
