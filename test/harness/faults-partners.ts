import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Fault, Scene, Undo } from './fault.ts';
import { withRedis } from './faults-redis.ts';
import type { Acknowledging, HttpPartner, Misbehaviour } from './http-partner.ts';
import type { Partners } from './partners.ts';
import type { Random } from './random.ts';

/** A fault of a run that has partners. */
const fault = (
  name: string,
  what: string,
  act: (partners: Partners, scene: Scene, draw: Random) => Promise<Undo>,
): Fault => ({
  name,
  what,
  on: 'time',
  partners: true,
  do: async (scene, draw) => (scene.partners ? act(scene.partners, scene, draw) : null),
});

const misbehave = (partner: HttpPartner, how: Misbehaviour): Undo => {
  partner.misbehaves = how;
  return async () => {
    partner.misbehaves = undefined;
  };
};

const acknowledging = (http: readonly HttpPartner[], how: Acknowledging): Undo => {
  const late = http.filter((partner) => partner.late);
  for (const partner of late) partner.acknowledging = how;
  return async () => {
    for (const partner of late) partner.acknowledging = 'once';
  };
};

const LIES: readonly Misbehaviour[] = ['html', 'lies', 'redirects', 'not-found', 'huge'];

/** What happens at partners, to what is sent to them, and to what they answer. */
export const PARTNER_FAULTS: readonly Fault[] = [
  fault('partner-away', 'a partner refuses connections', async ({ http }, _scene, draw) => {
    const partner = draw.pick(http);
    await partner.shut();
    return () => partner.open();
  }),
  fault('partner-hangs', 'a partner takes requests and never answers', async ({ http }, _scene, draw) =>
    misbehave(draw.pick(http), 'hangs'),
  ),
  fault(
    'partner-resets',
    'a partner erases, and cuts the connection half-way through its answer',
    async ({ http }, _scene, draw) => misbehave(draw.pick(http), 'resets'),
  ),
  fault(
    'partner-lies',
    'a partner answers HTML, an error with 200, a redirect, a bare 404 or an endless body',
    async ({ http }, _scene, draw) => misbehave(draw.pick(http), draw.pick(LIES)),
  ),
  fault('partner-unavailable', 'a partner answers 503', async ({ http }, _scene, draw) =>
    misbehave(draw.pick(http), 'unavailable'),
  ),
  fault(
    'killed-after-partner',
    'kill -9 of every worker when a partner has erased, before its answer is here',
    async ({ http }, scene) => {
      const partner = http[0] as HttpPartner;
      const met = new Promise<void>((resolve) => {
        partner.beforeAnswer = async () => {
          partner.beforeAnswer = undefined;
          for (const process of scene.processes.slice(1)) if (process.signal('SIGKILL')) scene.killed();
          resolve();
        };
      });
      // It is asked once an account is gone.
      await Promise.race([met, pause(12_000)]);
      partner.beforeAnswer = undefined;
      return null;
    },
  ),
  fault('acknowledgement-lost', 'acknowledgements do not come, and the partner is asked again', async ({ http }) =>
    acknowledging(http, 'lost'),
  ),
  fault(
    'acknowledgement-strange',
    'acknowledgements come twice at once, late, or before the answer',
    async ({ http }, _scene, draw) => acknowledging(http, draw.pick(['twice', 'late', 'early'] as const)),
  ),
  fault(
    'events-deleted',
    'the stream or its consumer group is deleted, up to three times',
    async ({ event }, scene, draw) => {
      for (let n = draw.integer(1, 3); n > 0; n--)
        await withRedis(scene, async (client) => {
          if (draw.chance(0.5)) await client.del(event.stream);
          else await client.xgroup('DESTROY', event.stream, event.group).catch(() => {});
        });
      return null;
    },
  ),
  fault(
    'bucket-refuses',
    'a bucket refuses one key of an account, or every request',
    async ({ files }, { people }, draw) => files.refuse(draw.chance(0.5) ? draw.pick(people.victims) : null),
  ),
  fault('consumers-away', 'nobody reads the events', async ({ event }) => {
    event.reading = false;
    return async () => {
      event.reading = true;
    };
  }),
  fault(
    'secrets-rotated',
    'every process is restarted with a new secret before the old ones',
    async (_partners, scene) => {
      const secrets = `${randomBytes(24).toString('base64url')},${scene.secrets()}`;
      scene.rotate(secrets);
      for (const process of scene.processes) if (process.signal('SIGTERM')) scene.killed();
      return null;
    },
  ),
];
