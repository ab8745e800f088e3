import type { Followed } from './follow.ts';
import type { Measured, OwnerState } from './measured.ts';

const TYPES = { well: 'lethe.owner.recovered', failing: 'lethe.owner.failing', late: 'lethe.owner.late' } as const;

/**
 * What a team is told: a CloudEvents 1.0 event in structured JSON, as a partner's message is. It holds counts, names of
 * the catalog and times, and nothing of an account. `url`: the support page.
 */
export type OwnerMessage = {
  specversion: '1.0';
  id: string;
  source: string;
  type: (typeof TYPES)[OwnerState];
  time: string;
  datacontenttype: 'application/json';
  data: {
    owner: string;
    state: OwnerState;
    since: string;
    open: number;
    late: number;
    failing: number;
    locations: string[];
    oldestDeadline: string | null;
    words: string[];
    url: string;
  };
};

/** Builds the message with this id. Each try sends it as it was built: a receiver takes an id once. */
export function buildOwnerMessage(
  told: { id: string; owner: string; state: OwnerState; at: Date; publicUrl: string },
  { since }: Pick<Followed, 'since'>,
  measured: Measured,
): OwnerMessage {
  const base = told.publicUrl.replace(/\/+$/, '');
  return {
    specversion: '1.0',
    id: told.id,
    source: base,
    type: TYPES[told.state],
    time: told.at.toISOString(),
    datacontenttype: 'application/json',
    data: {
      owner: told.owner,
      state: told.state,
      since: since.toISOString(),
      open: measured.open,
      late: measured.late,
      failing: measured.failing,
      locations: measured.locations,
      oldestDeadline: measured.dueAt?.toISOString() ?? null,
      words: measured.words,
      url: `${base}/admin/owners`,
    },
  };
}
