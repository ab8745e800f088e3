import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/**
 * Below what Linux (32768 and up), macOS and Windows (49152) give to outgoing connections unless told otherwise. An
 * outgoing connection could take a port after it was found free and before its server starts, or while that server is
 * down.
 */
const FIRST = 20_000;
const BLOCK = 64;
const BLOCKS = 180;

type Block = { next: number; end: number; taking?: Promise<void> | undefined };

/** One for the process, also where tests load this module anew for each file: there are not that many blocks. */
const kept = globalThis as typeof globalThis & { lethePorts?: Block };
kept.lethePorts ??= { next: 0, end: 0 };
const block = kept.lethePorts;

/**
 * A port on loopback that nobody listens at and that no other call gives, here or in another process
 * of ours. Throws when every block is taken.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    while (block.next === block.end) {
      block.taking ??= takeBlock().finally(() => {
        block.taking = undefined;
      });
      await block.taking;
    }
    const port = block.next++;
    const server = await listen(port);
    if (server) {
      await new Promise((resolve) => server.close(resolve));
      return port;
    }
  }
}

/** Listening at a block's first port is what takes it, so that it is given back however this process ends. */
async function takeBlock(): Promise<void> {
  const start = randomInt(BLOCKS);
  for (let i = 0; i < BLOCKS; i++) {
    const first = FIRST + ((start + i) % BLOCKS) * BLOCK;
    const guard = await listen(first);
    if (!guard) continue;
    guard.unref();
    block.next = first + 1;
    block.end = first + BLOCK;
    return;
  }
  throw new Error(`no free block of ports between ${FIRST} and ${FIRST + BLOCKS * BLOCK} on loopback`);
}

/** Null where somebody else listens. */
function listen(port: number): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(null) : reject(error),
    );
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
