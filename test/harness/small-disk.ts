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
      const { bavail, bsize } = statfsSync(folder);
      const bytes = Math.max(0, bavail * bsize - leave);
      writeFileSync(file, Buffer.alloc(bytes));
    },
    clear: () => rmSync(file, { force: true }),
    unmount,
  };
}
