#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { reportFailure, throwing } from './shell/failure.ts';
import { processTerminal } from './shell/terminal.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const terminal = processTerminal();

/** A verb's module is loaded when the verb is called: loading all of them, with what they import, takes a second. */
const VERBS: Record<string, () => Promise<Command>> = {
  api: async () => (await import('./serve.ts')).apiCommand(),
  worker: async () => (await import('./serve.ts')).workerCommand(),
  migrate: async () => (await import('./migrate.ts')).migrateCommand(),
  password: async () => (await import('./password.ts')).passwordCommand(),
  openapi: async () => (await import('./openapi.ts')).openapiCommand(),
  plan: async () => (await import('./plan.ts')).planCommand(terminal),
  erase: async () => (await import('./erase.ts')).eraseCommand(terminal),
  status: async () => (await import('./status.ts')).statusCommand(terminal),
  list: async () => (await import('./list.ts')).listCommand(terminal),
  start: async () => (await import('./start.ts')).startCommand(terminal),
  undo: async () => (await import('./undo.ts')).undoCommand(terminal),
  hold: async () => (await import('./hold.ts')).holdCommand(terminal),
  release: async () => (await import('./release.ts')).releaseCommand(terminal),
  replay: async () => (await import('./replay.ts')).replayCommand(terminal),
  alerts: async () => (await import('./alerts.ts')).alertsCommand(terminal),
  dataset: async () => (await import('./dataset.ts')).datasetCommand(terminal),
  catalog: async () => (await import('./catalog.ts')).catalogCommand(terminal),
  partner: async () => (await import('./partner.ts')).partnerCommand(terminal),
  canary: async () => (await import('./canary.ts')).canaryCommand(terminal),
};

const program = new Command('lethe')
  .description('Erases user accounts: durable, exact, and gentle to the database it works in.')
  .version(version)
  .addHelpText(
    'after',
    '\nThe configuration is read from the environment; .env.example explains each option.\nExit codes: 0 done, 1 failed, 2 wrong usage or configuration.',
  )
  .showHelpAfterError('Try lethe --help.');

const asked = process.argv[2] ?? '';
const needed =
  asked === '--version' || asked === '-V' ? [] : Object.hasOwn(VERBS, asked) ? [asked] : Object.keys(VERBS);
for (const name of needed) program.addCommand((await VERBS[name]?.()) as Command);

try {
  await throwing(program, terminal).parseAsync();
} catch (error) {
  terminal.exitCode = reportFailure(error, terminal.err);
}
// Sockets of a Redis or Postgres that is away would keep the process alive.
process.exit(terminal.exitCode);
