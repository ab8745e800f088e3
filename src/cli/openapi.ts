import { Command } from 'commander';
import { createAsyncDocument } from '../http/api/asyncapi.ts';
import { createDocument } from '../http/api/openapi.ts';

export const openapiCommand = () =>
  new Command('openapi')
    .description('print the OpenAPI document of the HTTP API; needs no configuration')
    .option('--events', 'print the AsyncAPI document of what is published to partners instead')
    .action(async ({ events }: { events?: boolean }) => {
      const document = events ? createAsyncDocument() : createDocument();
      // `lethe openapi | head` is no failure.
      process.stdout.once('error', () => process.exit(0));
      // The process ends when this is done, and a pipe takes only so much at once.
      await new Promise<void>((resolve) => {
        process.stdout.write(`${JSON.stringify(document, null, 2)}\n`, () => resolve());
      });
    });
