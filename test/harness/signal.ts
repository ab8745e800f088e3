/** Sends a signal to a process that may have gone; false: it had. */
export function send(pid: number, signal: NodeJS.Signals): boolean {
  // 0 and negative numbers are groups of processes, our own among them.
  if (pid <= 1) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
