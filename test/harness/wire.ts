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

/** What ends the messages of one statement: a sync, or a flush. */
const ENDS = new Set(['S', 'H']);

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
    let whole: { due: Watch; bytes: Buffer[] } | undefined;
    return async (data, link) => {
      // Together, as they came: one write for each message would slow down every run.
      let together: Buffer[] = [];
      const flush = () => {
        if (together.length > 0) link.send(Buffer.concat(together));
        together = [];
      };
      for (const frame of frames.push(data)) {
        whole?.bytes.push(frame.bytes);
        const due = whole ? undefined : this.dueAt(frame);
        if (due) {
          flush();
          whole = { due, bytes: [frame.bytes] };
          // A parsed statement is executed by the messages that follow it, up to the sync: they are one with it.
          if (due.moment !== 'message' && frame.type === 'P') continue;
        } else if (!whole) together.push(frame.bytes);
        if (!whole || !(due || ENDS.has(frame.type))) continue;
        const { due: watch, bytes } = whole;
        whole = undefined;
        await stopAt(Buffer.concat(bytes), link, watch);
        if (!link.open()) return;
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

/** Lets a fault act, and sends on what it has left. */
async function stopAt(bytes: Buffer, link: Link, watch: Watch): Promise<void> {
  let forwarded = false;
  const forward = () => {
    if (!forwarded) link.send(bytes);
    forwarded = true;
  };
  await watch.act({ forward, cut: link.cut, mute: link.mute });
  forward();
}
