import { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { runApi, runWorker } from '../main.ts';

export const apiCommand = () =>
  new Command('api').description('run the HTTP API and the dashboard').action(() => runApi(loadConfig('api')));

export const workerCommand = () =>
  new Command('worker')
    .description('run a worker; start as many as you like')
    .action(() => runWorker(loadConfig('worker')));
