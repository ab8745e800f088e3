import { z } from 'zod';
import { DUE_REVOCATIONS, revokeTokens } from '../../erasure/revoke/revoke-tokens.ts';
import { takeDue } from '../../store/take-due.ts';
import { backoff, defineJob, KEPT } from '../model/job.ts';
import { once } from '../model/order.ts';

const contract = {
  name: 'account.sign-out',
  queue: 'partners',
  payload: z.strictObject({ erasureId: z.uuid() }),
  options: { ...KEPT, attempts: 6, backoff: backoff(500) },
} as const;

const revokeOrder = (erasureId: string) =>
  once(contract, { what: 'sign-out', subject: erasureId, payload: { erasureId } });

/** One call that asks the application to revoke an account's tokens. */
export const accountSignOut = defineJob({
  ...contract,
  entry: { as: 'revokeTokens', order: revokeOrder },
  due: {
    counted: 'signOuts',
    // Where the application wants no call any more, what was due stays due.
    find: async ({ ctx, put }) =>
      ctx.settings.revokesTokens ? takeDue(ctx.db, DUE_REVOCATIONS, (id) => put(revokeOrder(id))) : 0,
  },
  quiet: ['contended', 'sign_out_deferred'],
  failed: () => {},

  run: async ({ ctx, revoke }, { erasureId }) => ({
    outcome: revoke ? await revokeTokens(ctx, revoke, erasureId) : 'skipped',
  }),
});
