#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { catalogCommand } from './catalog.ts';
import { eraseCommand } from './erase.ts';
import { reportFailure, throwing } from './failure.ts';
import { holdCommand } from './hold.ts';
import { listCommand } from './list.ts';
import { migrateCommand } from './migrate.ts';
import { openapiCommand } from './openapi.ts';
import { passwordCommand } from './password.ts';
import { planCommand } from './plan.ts';
import { releaseCommand } from './release.ts';
import { replayCommand } from './replay.ts';
import { apiCommand, workerCommand } from './serve.ts';
import { statusCommand } from './status.ts';
import { processTerminal } from './terminal.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const terminal = processTerminal();
const program = new Command('lethe')
  .description('Erases user accounts: durable, exact, and gentle to the database it works in.')
  .version(version)
  .addCommand(apiCommand())
  .addCommand(workerCommand())
  .addCommand(migrateCommand())
  .addCommand(passwordCommand())
  .addCommand(openapiCommand())
  .addCommand(planCommand(terminal))
  .addCommand(eraseCommand(terminal))
  .addCommand(statusCommand(terminal))
  .addCommand(listCommand(terminal))
  .addCommand(holdCommand(terminal))
  .addCommand(releaseCommand(terminal))
  .addCommand(replayCommand(terminal))
  .addCommand(catalogCommand(terminal))
  .addHelpText(
    'after',
    '\nThe configuration is read from the environment; README.md lists it.\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration.',
  )
  .showHelpAfterError('Try lethe --help.');

try {
  await throwing(program, terminal).parseAsync();
} catch (error) {
  terminal.exitCode = reportFailure(error, terminal.err);
}
// Sockets of a Redis or Postgres that is away would keep the process alive.
process.exit(terminal.exitCode);
