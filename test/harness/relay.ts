import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** One client's connection through a relay. */
export type Link = {
  /** Sends on what the client has sent. */
  send: (data: Buffer) => void;
  /** Ends it on both sides at once; what the server was sent already reaches it. */
  cut: () => void;
  /** From here on the client hears nothing more. */
  mute: () => void;
  open: () => boolean;
};

/** Takes what a client sends, in order; each is awaited before the next. Absent: sent on as it is. */
export type Receive = (data: Buffer, link: Link) => Promise<void>;

/**
 * A TCP relay on loopback in front of a server that may move to another port. It can be slow, silent
 * (half-open: both sides stay connected and hear nothing), and cut what goes through it.
 */
export class Relay {
  private readonly links = new Set<Link>();
  private readonly server: Server;
  private silence: Promise<void> | undefined;
  private speak: () => void = () => {};
  /** Milliseconds before each packet goes on, in either direction. */
  delayMs = 0;

  private constructor(target: () => number, receiver: () => Receive | undefined) {
    this.server = createServer((client) => void this.accept(client, target, receiver()));
  }

  /** Listens on a free port. `receiver` is asked once for each connection. */
  static async open(target: () => number, receiver: () => Receive | undefined = () => undefined): Promise<Relay> {
    const relay = new Relay(target, receiver);
    relay.server.listen(0, '127.0.0.1');
    await once(relay.server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Nothing goes through until `resume`. */
  hush(): void {
    if (this.silence) return;
    this.silence = new Promise((resolve) => {
      this.speak = resolve;
    });
  }

  resume(): void {
    this.speak();
    this.silence = undefined;
    this.delayMs = 0;
  }

  /** Cuts every connection; new ones are taken. */
  cutAll(): number {
    const open = [...this.links];
    for (const link of open) link.cut();
    return open.length;
  }

  async close(): Promise<void> {
    this.resume();
    this.cutAll();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async held(): Promise<void> {
    if (this.delayMs > 0) await pause(this.delayMs);
    await this.silence;
  }

  private async accept(client: Socket, target: () => number, receive: Receive | undefined): Promise<void> {
    client.on('error', () => {});
    client.setNoDelay(true);
    let muted = false;
    let open = true;
    let upstream: Socket | undefined;
    const link: Link = {
      send: (data) => void (open && upstream?.write(data)),
      cut: () => {
        open = false;
        this.links.delete(link);
        client.destroy();
        // A reset would make the server's side drop what it has not read: a commit that was sent must reach it.
        upstream?.end();
      },
      mute: () => {
        muted = true;
      },
      open: () => open,
    };
    this.links.add(link);
    // What a client says before we are connected waits in its socket.
    client.pause();
    await this.held();
    if (!open || client.destroyed) return link.cut();
    upstream = connect(target(), '127.0.0.1');
    upstream.setNoDelay(true);
    upstream.on('error', link.cut);
    const towards = (from: Socket, work: (data: Buffer) => Promise<void> | void) => {
      // One packet after the other, whatever each of them waits for.
      let order = Promise.resolve();
      const next = (step: () => Promise<void> | void) => {
        order = order.then(step).catch(link.cut);
      };
      from.on('data', (data: Buffer) =>
        next(async () => {
          await this.held();
          if (open) await work(data);
        }),
      );
      // After what was said before: why a server ends a session comes right before the end.
      from.on('close', () =>
        next(() => {
          open = false;
          this.links.delete(link);
          client.end();
          upstream?.end();
        }),
      );
    };
    towards(client, (data) => (receive ? receive(data, link) : link.send(data)));
    towards(upstream, (data) => void (muted || client.write(data)));
    client.resume();
  }
}
