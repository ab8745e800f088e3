import { type ChildProcess, spawn } from 'node:child_process';
import { reap, reaped } from './reaper.ts';

export type Running = { child: ChildProcess; pid: number; exited: Promise<number | null>; output: () => string };

/** Starts a process in a group of its own, so that Ctrl-C reaches only us, and keeps the end of its output. */
export function start(
  command: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; uid?: number; gid?: number } = {},
): Running {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...options });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data: Buffer) => {
      output = (output + data.toString()).slice(-100_000);
    });
  }
  const exited = new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(-1);
    });
    child.once('exit', (code) => {
      if (child.pid) reaped(child.pid);
      // Its last words may still be in the pipe; a child of its own that lives on holds the pipe open.
      child.once('close', () => resolve(code));
      setTimeout(resolve, 1_000, code).unref();
    });
  });
  if (child.pid) reap(child.pid);
  return { child, pid: child.pid ?? -1, exited, output: () => output };
}

/** Waits until `ready` holds for the output. Throws with the output when the process ends or time runs out. */
export async function waitForOutput(
  running: Running,
  ready: (output: string) => boolean,
  ms: number,
  what: string,
): Promise<void> {
  const until = Date.now() + ms;
  let ended = false;
  void running.exited.then(() => {
    ended = true;
  });
  while (!ready(running.output())) {
    if (ended || Date.now() > until) throw new Error(`${what} did not start:\n${running.output().slice(-2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Sends a signal and waits for the end; kills after ten seconds. */
export async function stop(running: Running, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (running.child.exitCode !== null || running.child.signalCode !== null) return;
  running.child.kill(signal);
  const timer = setTimeout(() => running.child.kill('SIGKILL'), 10_000);
  await running.exited;
  clearTimeout(timer);
}
