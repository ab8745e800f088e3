import { Command } from 'commander';
import { createDocument } from '../http/api/openapi.ts';

export const openapiCommand = () =>
  new Command('openapi')
    .description('print the OpenAPI document of the HTTP API; needs no configuration')
    .action(async () => {
      // `lethe openapi | head` is no failure.
      process.stdout.once('error', () => process.exit(0));
      // The process ends when this is done, and a pipe takes only so much at once.
      await new Promise<void>((resolve) => {
        process.stdout.write(`${JSON.stringify(createDocument(), null, 2)}\n`, () => resolve());
      });
    });
