import { execFileSync } from 'node:child_process';
import { Cluster, type Kind } from './cluster.ts';
import { buildNextVersion } from './next-version.ts';
import { mountSmallDisk } from './small-disk.ts';

/** What this machine cannot do, and why: faults that need it are reported as not run. */
export type Missing = { pooler?: string; smallDisk?: string };

/** Finds out what the machine allows. */
export function findMissing(): Missing {
  const missing: Missing = {};
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' });
  } catch {
    missing.pooler = 'no pgbouncer on the PATH';
  }
  try {
    mountSmallDisk().unmount();
  } catch {
    missing.smallDisk = 'a small file system cannot be mounted here';
  }
  return missing;
}

/** Servers that runs share: one has its own only where it does not come back as it was. */
export class Servers {
  private readonly kept = new Map<Kind, Promise<Cluster>>();
  private nextVersion: string | undefined;

  /** Runs `work` on a cluster of a kind. */
  async with<T>(kind: Kind, work: (cluster: Cluster) => Promise<T>): Promise<T> {
    if (kind === 'pair') {
      const pair = await Cluster.start('pair');
      try {
        return await work(pair);
      } finally {
        await pair.destroy();
      }
    }
    const kept = this.kept.get(kind) ?? Cluster.start(kind);
    this.kept.set(kind, kept);
    return work(await kept);
  }

  /** The command of the next version. */
  next(): string {
    this.nextVersion ??= buildNextVersion();
    return this.nextVersion;
  }

  async close(): Promise<void> {
    for (const cluster of this.kept.values()) await (await cluster).destroy();
  }
}
