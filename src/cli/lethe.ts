#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { sanitize } from '../db/sql-errors.ts';
import { UsageError } from '../errors.ts';
import { migrateCommand } from './migrate.ts';
import { passwordCommand } from './password.ts';
import { apiCommand, workerCommand } from './serve.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('lethe')
  .description('Erases user accounts: durable, exact, and gentle to the database it works in.')
  .version(version)
  .addCommand(apiCommand())
  .addCommand(workerCommand())
  .addCommand(migrateCommand())
  .addCommand(passwordCommand())
  .addHelpText(
    'after',
    '\nThe configuration is read from the environment; README.md lists it.\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration.',
  )
  .showHelpAfterError('Try lethe --help.')
  .exitOverride();
for (const command of program.commands) command.exitOverride();

try {
  await program.parseAsync();
  // Sockets of a Redis or Postgres that is away would keep the process alive.
  process.exit(0);
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
  if (error instanceof UsageError) {
    for (const problem of error.problems) process.stderr.write(`lethe: ${problem}\n`);
    process.exit(2);
  }
  process.stderr.write(
    `lethe: ${(error as NodeJS.ErrnoException).syscall ? (error as Error).message : sanitize(error).message}\n`,
  );
  process.exit(1);
}
