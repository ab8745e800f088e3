import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';

/**
 * Ends processes and removes folders when this process is gone, however it went: a killed demo or
 * test run must leave no server behind. The reaper waits for its standard input to close.
 */
const SCRIPT = `
const { rmSync } = require('node:fs');
let input = '';
process.stdin.on('data', (d) => (input += d));
process.stdin.on('end', async () => {
  const lines = input.split('\\n').filter(Boolean).map((l) => JSON.parse(l));
  const live = new Set();
  for (const l of lines) l.gone ? live.delete(l.pid) : l.pid && live.add(l.pid);
  for (const pid of live) { try { process.kill(pid, 'SIGQUIT'); } catch {} }
  const ended = (pid) => { try { process.kill(pid, 0); return false; } catch { return true; } };
  for (let i = 0; i < 100 && ![...live].every(ended); i++) await new Promise((r) => setTimeout(r, 50));
  for (const pid of live) if (!ended(pid)) { try { process.kill(pid, 'SIGKILL'); } catch {} }
  for (const l of lines) if (l.folder) rmSync(l.folder, { recursive: true, force: true });
});
for (const s of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(s, () => {});
`;

/** One for the process, also where tests load this module anew for each file. */
const kept = globalThis as typeof globalThis & { letheReaper?: ChildProcess };

function tell(line: object): void {
  let reaper = kept.letheReaper;
  if (!reaper) {
    reaper = spawn(process.execPath, ['-e', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    kept.letheReaper = reaper;
    reaper.unref();
    if (reaper.stdin instanceof Socket) reaper.stdin.unref();
  }
  reaper.stdin?.write(`${JSON.stringify(line)}\n`);
}

/** End `pid` when this process is gone. */
export const reap = (pid: number) => tell({ pid });
/** `pid` has ended already. */
export const reaped = (pid: number) => tell({ pid, gone: true });
/** Remove `folder` when this process is gone. */
export const sweepUp = (folder: string) => tell({ folder });
