import { type Command, CommanderError } from 'commander';
import { LetheError, UsageError } from '../../errors.ts';
import { sanitize } from '../../store/sql-errors.ts';
import { type Output, printable, type Terminal } from './terminal.ts';

/** Writes why a command failed, a line each, and returns its exit code. Nothing it writes can steer a terminal. */
export function reportFailure(error: unknown, err: Output): number {
  const lines = (texts: readonly string[]) => {
    for (const text of texts) err.write(`lethe: ${printable(text)}\n`);
  };
  // Commander has written its own text.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) {
    lines(error.problems);
    return 2;
  }
  if (error instanceof LetheError && error.code === 'invalid_request') {
    lines([error.detail]);
    return 2;
  }
  lines([(error as NodeJS.ErrnoException).syscall ? (error as Error).message : sanitize(error).message]);
  return 1;
}

/**
 * Lets a command and all below it throw instead of ending the process, and write where nothing can steer the terminal.
 * Commander keeps these settings per command, so each command gets them.
 */
export function throwing(command: Command, terminal: Terminal): Command {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => terminal.out.write(text),
    writeErr: (text) => terminal.err.write(text.split('\n').map(printable).join('\n')),
  });
  for (const below of command.commands) throwing(below, terminal);
  return command;
}
