import type { Declaration } from '../catalog/live/declared.ts';
import { type Answerable, answerableOf } from './answerable.ts';
import { matcher, yamlText } from './escape.ts';
import { printYaml, type Yaml } from './yaml.ts';

const HEAD = `A configuration of Alertmanager, made from the catalog: lethe alerts --routes prints it, and npm run ops
writes this. An alert goes to the receiver of its label owner. Owners that have no entry under owners: in the
catalog share the receiver lethe. Put your own way to reach them (mail, Slack, a pager) in the place of each
webhook: no host of .invalid exists, so that Alertmanager logs and counts what nobody was told.`;

/** Who is told where nobody else is. */
const DEFAULT = 'lethe';

/** The name of an owner's receiver. The word before it keeps an owner called `lethe` from being the default. */
export const receiverOf = (owner: string): string => `owner ${owner}`;

/** The configuration of Alertmanager, as YAML. */
export function printRoutes(declared: Pick<Declaration, 'locations' | 'owners'>): string {
  const listed = answerableOf(declared).filter((team) => team.listed);
  return printYaml({
    '#': HEAD,
    route: {
      receiver: DEFAULT,
      group_by: ['alertname', 'owner'],
      group_wait: '30s',
      group_interval: '5m',
      repeat_interval: '4h',
      routes: listed.map(({ owner }) => ({ receiver: receiverOf(owner), matchers: [matcher('owner', owner)] })),
    },
    inhibit_rules: INHIBITED.map(([louder, ...quieter]) => ({
      source_matchers: [matcher('alertname', louder)],
      target_matchers: [`alertname=~"${quieter.join('|')}"`],
      equal: ['owner'],
    })),
    receivers: [
      { name: DEFAULT, webhook_configs: placeholder('lethe') },
      ...listed.map((team, n) => ({
        name: receiverOf(team.owner),
        ...comment(team),
        webhook_configs: placeholder(`owner-${n + 1}`),
      })),
    ],
  });
}

/** The first says all that the others would say of the same owner. */
const INHIBITED = [
  ['LetheOwnerLate', 'LetheOwnerBurningFast', 'LetheOwnerBurningSlow'],
  ['LetheOwnerBurningFast', 'LetheOwnerBurningSlow'],
  ['LetheErasureOverdue', 'LetheDeadlineBurningFast', 'LetheDeadlineBurningSlow', 'LetheErasureOld'],
  ['LetheDeadlineBurningFast', 'LetheDeadlineBurningSlow'],
  ['LetheTestDataFailing', 'LetheTestDataMissing', 'LetheTestDataNeverPassed'],
] as const;

const placeholder = (path: string): Yaml => [{ url: `http://receiver.invalid/${path}` }];

/** On one line, whatever stands in it: a comment ends where its line does. */
const comment = ({ contact }: Answerable): { '#'?: string } =>
  contact === undefined ? {} : { '#': `How the catalog says that they are reached: ${yamlText(contact)}` };
