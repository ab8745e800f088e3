import { Command } from 'commander';
import { droppedParts, loadConfig } from '../config.ts';
import { UsageError } from '../errors.ts';
import { firstError } from '../store/first-error.ts';
import { migrate } from '../store/migrate.ts';
import { sqlState } from '../store/sql-errors.ts';

export const migrateCommand = () =>
  new Command('migrate')
    .description('bring the schema lethe up to date; safe to run at any time')
    .addHelpText('after', '\nExample: LETHE_DIRECT_DATABASE_URL=postgres://lethe_owner@db/app lethe migrate')
    .action(async () => {
      const config = loadConfig('migrate');
      for (const warning of droppedParts(config)) process.stderr.write(`lethe: note: ${warning}\n`);
      const url = config.LETHE_DIRECT_DATABASE_URL;
      const variable = url ? 'LETHE_DIRECT_DATABASE_URL' : 'DATABASE_URL';
      const applied = await migrate(url ?? config.DATABASE_URL).catch((error: unknown) => {
        if (sqlState(error) === '42501')
          throw new UsageError([`${variable}: the role may not change schema lethe: migrate as its owner (42501)`]);
        throw firstError(error, variable);
      });
      process.stdout.write(
        applied === 0 ? 'lethe: the schema is up to date\n' : `lethe: ${applied} migration(s) applied\n`,
      );
    });
