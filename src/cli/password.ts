import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { UsageError } from '../errors.ts';
import { hashPassword } from '../http/sign-in/password.ts';

export const passwordCommand = () =>
  new Command('password')
    .description('read a password from standard input and print its hash for LETHE_DASHBOARD_USERS')
    .addHelpText('after', '\nExample: printf %s "$PASSWORD" | lethe password')
    .action(async () => {
      const password = (await text(process.stdin)).replace(/\r?\n$/, '');
      if (password.length < 12) throw new UsageError(['the password needs 12 characters or more']);
      process.stdout.write(`${await hashPassword(password)}\n`);
    });
