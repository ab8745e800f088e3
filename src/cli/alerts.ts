import { Command } from 'commander';
import { dashboardOf } from '../alerts/dashboard.ts';
import { printRoutes } from '../alerts/routes.ts';
import { printRules } from '../alerts/rules.ts';
import { loadCatalog } from '../catalog/load.ts';
import { loadConfig } from '../config.ts';
import { UsageError } from '../errors.ts';
import { json, type Terminal } from './shell/terminal.ts';

type Options = { routes?: true; dashboard?: true };

export const alertsCommand = (terminal: Terminal) =>
  new Command('alerts')
    .description('print the rules for Prometheus that the catalog makes')
    .option('--routes', 'print the configuration of Alertmanager instead')
    .option('--dashboard', 'print the dashboard for Grafana instead, as JSON')
    .addHelpText(
      'after',
      '\nNeeds LETHE_CATALOG only, and no database.\n' +
        'Exit codes: 0 printed, 2 the catalog cannot be read or has problems.\n' +
        'Example: LETHE_CATALOG=catalog.yaml lethe alerts > /etc/prometheus/lethe.yaml',
    )
    .action((options: Options) => {
      if (options.routes && options.dashboard)
        throw new UsageError(['--routes and --dashboard are two files: ask for one of them']);
      const declared = loadCatalog(loadConfig('alerts', terminal.env).LETHE_CATALOG);
      if (options.routes) terminal.out.write(printRoutes(declared));
      else if (options.dashboard) terminal.out.write(`${json(dashboardOf(declared), 2)}\n`);
      else terminal.out.write(printRules(declared));
    });
