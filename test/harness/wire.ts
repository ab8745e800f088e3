import { type Frame, FrontendFrames, isMoment, type Moment } from './frames.ts';
import { type Link, type Receive, Relay } from './relay.ts';

/** A connection that stands still at a message; unless told otherwise the message then goes on. */
export type Stop = {
  /** Sends the message on now; what follows it waits. */
  forward: () => void;
  /** Ends the connection; a message that was not forwarded never reaches the server. */
  cut: () => void;
  /** The client will not hear the answer. */
  mute: () => void;
};

type Watch = { moment: Moment; left: number; act: (stop: Stop) => Promise<void> };

/** A relay in front of Postgres that reads the frontend's messages and can stop at the n-th of a kind. */
export class Wire {
  private readonly watches = new Set<Watch>();
  readonly relay: Relay;

  private constructor(relay: Relay) {
    this.relay = relay;
  }

  static async open(target: () => number): Promise<Wire> {
    let wire: Wire | undefined;
    const relay = await Relay.open(target, () => wire?.reader());
    wire = new Wire(relay);
    return wire;
  }

  /** Runs `act` at the n-th such message from now on, counted over all connections. Returns what disarms it. */
  at(moment: Moment, n: number, act: (stop: Stop) => Promise<void>): () => void {
    const watch = { moment, left: n, act };
    this.watches.add(watch);
    return () => void this.watches.delete(watch);
  }

  /** A reader for one connection. */
  private reader(): Receive {
    const frames = new FrontendFrames();
    return async (data, link) => {
      // Together, as they came: one write for each message would slow down every run.
      let together: Buffer[] = [];
      const flush = () => {
        if (together.length > 0) link.send(Buffer.concat(together));
        together = [];
      };
      for (const frame of frames.push(data)) {
        const due = this.dueAt(frame);
        if (due) {
          flush();
          const forwarded = await stopAt(frame, link, due);
          if (!link.open()) return;
          if (forwarded) continue;
        }
        together.push(frame.bytes);
      }
      flush();
    };
  }

  /** The watch whose moment this is. One at a time, a second one takes the next such message: it can be forwarded once. */
  private dueAt(frame: Frame): Watch | undefined {
    if (this.watches.size === 0) return undefined;
    const met = [...this.watches].filter((watch) => isMoment(frame, watch.moment));
    for (const watch of met) watch.left -= 1;
    const due = met.find((watch) => watch.left <= 0);
    if (due) this.watches.delete(due);
    return due;
  }
}

/** True when the message has been sent on. */
async function stopAt(frame: Frame, link: Link, watch: Watch): Promise<boolean> {
  let forwarded = false;
  await watch.act({
    forward: () => {
      if (!forwarded) link.send(frame.bytes);
      forwarded = true;
    },
    cut: link.cut,
    mute: link.mute,
  });
  return forwarded;
}
