import { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { migrate } from '../db/migrate.ts';

export const migrateCommand = () =>
  new Command('migrate').description('bring the schema lethe up to date; safe to run at any time').action(async () => {
    const config = loadConfig('migrate');
    const applied = await migrate(config.LETHE_DIRECT_DATABASE_URL ?? config.DATABASE_URL);
    process.stdout.write(
      applied === 0 ? 'lethe: the schema is up to date\n' : `lethe: ${applied} migration(s) applied\n`,
    );
  });
