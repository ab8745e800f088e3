import { createServer, connect as dial, type Server, type Socket } from 'node:net';

export type TcpProxy = {
  port: number;
  /** New connections lead there; open ones stay where they are. */
  pointAt: (port: number) => void;
  /** Closes what is open and refuses what comes, until `open`. */
  cut: () => void;
  open: () => void;
  close: () => Promise<void>;
};

/**
 * A virtual address, as managed services put before their servers: a port of loopback that leads to another. What is sent
 * there arrives `delayMs` later, and not at all where the sender has gone by then.
 */
export async function startTcpProxy(target: number, { delayMs = 0 } = {}): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let port = target;
  let refusing = false;
  const server: Server = createServer((client) => {
    if (refusing) return void client.destroy();
    const upstream = dial(port, '127.0.0.1');
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      if (delayMs > 0 && one === client) one.on('data', (data) => setTimeout(() => other.write(data), delayMs));
      else one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const drop = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as { port: number }).port,
    pointAt: (to) => {
      port = to;
    },
    cut: () => {
      refusing = true;
      drop();
    },
    open: () => {
      refusing = false;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        drop();
      }),
  };
}
